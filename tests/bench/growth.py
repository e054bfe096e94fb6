"""How a figure grows with the size of a thing: exponents, text plots, PNG."""

import math
import struct
import zlib

# 5x7 letters are enough for an axis; rows from the top, bits from the left.
GLYPHS = {
    '0': '0E11131519110E', '1': '040C040404040E', '2': '0E11010204081F',
    '3': '1F02040201110E', '4': '02060A121F0202', '5': '1F101E0101110E',
    '6': '0608101E11110E', '7': '1F010204080808', '8': '0E11110E11110E',
    '9': '0E11110F01020C', '.': '00000000000C0C', '-': '0000001F000000',
    'e': '00000E111F100E', 'm': '00001A15151111', 's': '00000E100E011E',
}
COLOURS = [(31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189),
           (255, 127, 14), (23, 190, 207), (140, 86, 75), (90, 90, 90)]


def exponent(points):
    """The k of y ~ x^k, by least squares of the logarithms; None if there is
    nothing to see in it."""
    points = [(math.log(x), math.log(y)) for x, y in points
              if x > 0 and y > 0]
    if len({x for x, _ in points}) < 2:
        return None
    mx = sum(x for x, _ in points) / len(points)
    my = sum(y for _, y in points) / len(points)
    return (sum((x - mx) * (y - my) for x, y in points)
            / sum((x - mx) ** 2 for x, _ in points))


class Axes:
    """Both logarithmic: a straight line is a power, a flat one no growth."""

    def __init__(self, series):
        points = [p for line in series.values() for p in line if p[1] > 0]
        self.x = self.bounds([x for x, _ in points])
        self.y = self.bounds([y for _, y in points])

    @staticmethod
    def bounds(values):
        low = math.floor(math.log10(min(values)))
        high = math.ceil(math.log10(max(values)))
        return low, max(high, low + 1)

    def place(self, x, y, width, height):
        """In a field of that many cells; y grows upwards."""
        fx = (math.log10(x) - self.x[0]) / (self.x[1] - self.x[0])
        fy = (math.log10(y) - self.y[0]) / (self.y[1] - self.y[0])
        return round(fx * (width - 1)), round(fy * (height - 1))


def short(value):
    return '%g' % value if value < 1e5 else ('%.0e' % value).replace('+0', '')


def text(title, x_name, series, width=61, height=17):
    """The plot as lines of text, and what each sign stands for."""
    axes = Axes(series)
    field = [[' '] * width for _ in range(height)]
    legend = []
    for n, (name, points) in enumerate(series.items()):
        sign = chr(ord('a') + n)
        for x, y in points:
            if y > 0:
                column, row = axes.place(x, y, width, height)
                cell = field[height - 1 - row][column]
                field[height - 1 - row][column] = (sign if cell == ' '
                                                   else '*')
        k = exponent(points)
        legend.append('  %s  %-38s ~ %s^%s' % (
            sign, name, x_name, 'n/a' if k is None else '%.2f' % k))
    out = [title]
    for i, row in enumerate(field):
        label = ''
        at = axes.y[1] - i * (axes.y[1] - axes.y[0]) / (height - 1)
        if abs(at - round(at)) < 0.5 * (axes.y[1] - axes.y[0]) / height:
            label = short(10 ** round(at))
        out.append('%8s |%s' % (label, ''.join(row).rstrip()))
    out.append('%8s +%s' % ('', '-' * width))
    marks = [' '] * (width + 8)
    for e in range(axes.x[0], axes.x[1] + 1):
        label = short(10 ** e)
        at = axes.place(10 ** e, 10 ** axes.y[0], width, height)[0]
        marks[at:at + len(label)] = label
    out.append('%8s  %s  %s' % ('', ''.join(marks).rstrip(), x_name))
    return '\n'.join(out + legend) + '\n'


class Picture:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(b'\xff' * (3 * width)) for _ in range(height)]

    def dot(self, x, y, colour):
        if 0 <= x < self.width and 0 <= y < self.height:
            self.rows[y][3 * x:3 * x + 3] = bytes(colour)

    def line(self, x0, y0, x1, y1, colour):
        n = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(n + 1):
            x, y = x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n
            self.dot(round(x), round(y), colour)

    def block(self, x, y, half, colour):
        for dx in range(-half, half + 1):
            for dy in range(-half, half + 1):
                self.dot(x + dx, y + dy, colour)

    def write(self, x, y, s, colour=(60, 60, 60)):
        for ch in s:
            bits = bytes.fromhex(GLYPHS.get(ch, '00' * 7))
            for dy, row in enumerate(bits):
                for dx in range(5):
                    if row & 0x10 >> dx:
                        self.dot(x + dx, y + dy, colour)
            x += 6

    def save(self, path):
        def chunk(kind, data):
            return (struct.pack('>I', len(data)) + kind + data
                    + struct.pack('>I', zlib.crc32(kind + data)))
        raw = b''.join(b'\0' + bytes(r) for r in self.rows)
        with open(path, 'wb') as f:
            f.write(b'\x89PNG\r\n\x1a\n'
                    + chunk(b'IHDR', struct.pack('>IIBBBBB', self.width,
                                                 self.height, 8, 2, 0, 0, 0))
                    + chunk(b'IDAT', zlib.compress(raw, 9))
                    + chunk(b'IEND', b''))


def png(path, series, width=720, height=480):
    """Lines in the order of the legend of text(): blue, red, green, violet,
    orange, cyan, brown, grey."""
    axes = Axes(series)
    left, bottom = 60, 30
    inner_w, inner_h = width - left - 20, height - bottom - 20
    picture = Picture(width, height)

    def at(x, y):
        column, row = axes.place(x, y, inner_w, inner_h)
        return left + column, height - bottom - row
    x0, y0 = at(10 ** axes.x[0], 10 ** axes.y[0])
    x1, y1 = at(10 ** axes.x[1], 10 ** axes.y[1])
    for e in range(axes.x[0], axes.x[1] + 1):
        x = at(10 ** e, 10 ** axes.y[0])[0]
        picture.line(x, y0, x, y1, (220, 220, 220))
        picture.write(x - 6, y0 + 10, short(10 ** e))
    for e in range(axes.y[0], axes.y[1] + 1):
        y = at(10 ** axes.x[0], 10 ** e)[1]
        picture.line(x0, y, x1, y, (220, 220, 220))
        picture.write(8, y - 3, short(10 ** e))
    picture.line(x0, y0, x1, y0, (0, 0, 0))
    picture.line(x0, y0, x0, y1, (0, 0, 0))
    for n, points in enumerate(series.values()):
        colour = COLOURS[n % len(COLOURS)]
        places = [at(x, y) for x, y in points if y > 0]
        for (ax, ay), (bx, by) in zip(places, places[1:]):
            picture.line(ax, ay, bx, by, colour)
            picture.line(ax, ay + 1, bx, by + 1, colour)
        for x, y in places:
            picture.block(x, y, 3, colour)
    picture.save(path)
