"""socknet-db(5) describes each table and column of the schema, as it is."""

import json
import re
import subprocess

import pytest


def base(t):
    """The words of a base type."""
    t = {'type': t} if isinstance(t, str) else t
    if 'enum' in t:
        return 'one of ' + ', '.join(sorted(t['enum'][1]))
    if t['type'] == 'uuid':
        weak = 'weak ' if t.get('refType') == 'weak' else ''
        return weak + 'reference to ' + t['refTable']
    if t['type'] == 'integer' and 'maxInteger' in t:
        return 'integer, %d to %d' % (t['minInteger'], t['maxInteger'])
    if t['type'] == 'integer' and 'minInteger' in t:
        return 'integer, at least %d' % t['minInteger']
    return t['type']


def words(column):
    """The words of a column's type."""
    t = column['type']
    t = {'key': t} if isinstance(t, str) else t
    if 'value' in t:
        s = 'map from %s to %s' % (base(t['key']), base(t['value']))
    elif t.get('max') == 'unlimited':
        s = 'set of ' + base(t['key'])
    elif t.get('min') == 0:
        s = 'optional ' + base(t['key'])
    else:
        s = base(t['key'])
    return s + (' (not on disk)' if column.get('ephemeral') else '')


@pytest.fixture
def page(srcdir):
    return srcdir / 'docs/socknet-db.5'


@pytest.fixture
def schema(srcdir):
    text = (srcdir / 'schemas/socknet.ovsschema').read_text()
    return json.loads(text)['tables']


def described(page):
    """{table: {column: (words, text)}} of the page."""
    tables = {}
    for part in re.split(r'^\.SS ', page.read_text(), flags=re.M)[1:]:
        name, rest = part.split('\n', 1)
        rest = re.split(r'^\.SH ', rest, flags=re.M)[0]
        tables[name] = {
            column: (words.replace('\\-', '-'), text.strip())
            for column, words, text in re.findall(
                r'^\.TP\n\\fB(\w+)\\fR: (.*)\n((?:(?!\.TP).*\n)*)', rest,
                re.M)}
    return tables


def test_every_column_is_described(page, schema):
    page = described(page)
    assert set(page) == set(schema)
    for table in schema:
        columns = schema[table]['columns']
        assert set(page[table]) == set(columns), table
        for name, column in columns.items():
            text = page[table][name]
            assert text[0] == words(column), (table, name)
            assert len(text[1]) >= 8, (table, name)


def test_page_formats(page):
    r = subprocess.run(['man', '--warnings=w', '-l', str(page)],
                       env={'LC_ALL': 'C.UTF-8', 'MANWIDTH': '80',
                            'PATH': '/usr/bin:/bin'},
                       text=True, capture_output=True, timeout=30)
    if r.returncode == 127:
        pytest.skip('man is not installed')
    assert r.stderr == ''
    assert 'Container' in r.stdout
