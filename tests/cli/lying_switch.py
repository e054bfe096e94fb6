#!/usr/bin/python3
"""Stands before ovs-vswitchd on PATH and tells tales of what it traces.

It starts the real one with another control socket, and what passes between
is changed if LIE says so: "output" (a packet that is dropped leaves by a
port), "flow" (another flow matched), "die" (it ends after some traces),
"stop" (it hangs in the middle, and says so by a file named in HUNG)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

lie = os.environ['LIE']
args = sys.argv[1:]
path = next(a for a in args if a.startswith('--unixctl='))[10:]
args[args.index('--unixctl=' + path)] = '--unixctl=' + path + '.real'
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
real = subprocess.Popen(
    ['/usr/sbin/ovs-vswitchd', *args],
    preexec_fn=lambda: __import__('ctypes').CDLL(None).prctl(1, 9))
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
n_traces = 0


def change(text):
    global n_traces
    message = json.loads(text)
    result = message.get('result')
    if not isinstance(result, str) or 'Datapath actions' not in result:
        return text
    n_traces += 1
    if lie == 'output':
        message['result'] = result.replace('Datapath actions: drop',
                                           'Datapath actions: b0')
    elif lie == 'flow' and n_traces > 5:
        message['result'] = re.sub(r'(28\. .*priority )\d+', r'\g<1>1',
                                   result)
    elif lie == 'die' and n_traces > 5:
        os._exit(1)
    elif lie == 'stop' and n_traces > 5:
        open(os.environ['HUNG'], 'w').close()
        signal.pause()
    return json.dumps(message)


def copy(a, b, what):
    decoder = json.JSONDecoder()
    text = ''
    while data := a.recv(65536):
        text += data.decode()
        while text:
            try:
                _, end = decoder.raw_decode(text)
            except ValueError:
                break
            b.sendall(what(text[:end]).encode())
            text = text[end:].lstrip()
    b.close()


while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX)
    while True:
        try:
            far.connect(path + '.real')
            break
        except OSError:
            threading.Event().wait(0.01)
    threading.Thread(target=copy, args=(near, far, str), daemon=True).start()
    copy(far, near, change)
