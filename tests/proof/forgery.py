"""URLs that lead, or may lead some parser, to an address that is not public, by the form that hides it; every name in
them is taken to be at such an address. And URLs that are good."""

from collections.abc import Callable, Iterable

V4 = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3"),
    *("169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16"),
)
V6 = (
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "5f00::1", "3fff::1"),
    *("2001::1", "2001:db8::1", "2001:20::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1"),
    *("64:ff9b:1::a00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1", "4000::1"),
    *("2a00:1450::5efe:a00:1", "2a00:1450::200:5efe:7f00:1", "2620:4f:8000::1"),
)
NAMES = ("localhost", "metadata.google.internal", "127.0.0.1.nip.io", "rebind.example.com", "kubernetes.default.svc")


def _parts(address: str) -> list[int]:
    return [int(part) for part in address.split(".")]


def _whole(address: str) -> int:
    a, b, c, d = _parts(address)
    return (a << 24) | (b << 16) | (c << 8) | d


def _hex_pairs(address: str) -> str:
    a, b, c, d = _parts(address)
    return f"{a:02x}{b:02x}:{c:02x}{d:02x}"


def _wide(address: str) -> str:
    return "".join(chr(ord(digit) + 0xFEE0) if digit.isdigit() else digit for digit in address)


def _circled(address: str) -> str:
    return "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] if digit.isdigit() else digit for digit in address)


def _every(spell: Callable[[str], str], addresses: Iterable[str] = V4) -> tuple[str, ...]:
    return tuple(spell(address) for address in addresses)


def _hosts(*hosts: str) -> tuple[str, ...]:
    return tuple(f"http://{host}/" for host in hosts)


FORMS: dict[str, tuple[str, ...]] = {
    "an address as it is": _every(lambda a: f"http://{a}/"),
    "by https on another port": _every(lambda a: f"https://{a}:8443/x?y=z#w"),
    "one decimal number": _every(lambda a: f"http://{_whole(a)}/"),
    "one hexadecimal number": _every(lambda a: f"http://{hex(_whole(a))}/"),
    "one number in capitals": _every(lambda a: f"http://0X{_whole(a):08X}/"),
    "one octal number": _every(lambda a: f"http://0{_whole(a):o}/"),
    "an octal number with many zeros": _every(lambda a: f"http://00000000{_whole(a):o}/"),
    "a number beyond 32 bits": _every(lambda a: f"http://{_whole(a) + (1 << 32)}/"),
    "two parts": _every(lambda a: f"http://{_parts(a)[0]}.{_whole(a) & 0xFFFFFF}/"),
    "three parts": _every(lambda a: f"http://{_parts(a)[0]}.{_parts(a)[1]}.{_whole(a) & 0xFFFF}/"),
    "octal parts": _every(lambda a: "http://" + ".".join(f"0{part:o}" for part in _parts(a)) + "/"),
    "hexadecimal parts": _every(lambda a: "http://" + ".".join(f"0x{part:x}" for part in _parts(a)) + "/"),
    "one octal part": _every(lambda a: f"http://0{_parts(a)[0]:o}.{a.partition('.')[2]}/"),
    "one hexadecimal part": _every(lambda a: f"http://{a.rpartition('.')[0]}.0x{_parts(a)[3]:x}/"),
    "parts with zeros before": _every(lambda a: "http://" + ".".join(f"{part:03}" for part in _parts(a)) + "/"),
    "a part beyond a byte": _every(lambda a: f"http://{_parts(a)[0] + 256}.{a.partition('.')[2]}/"),
    "a dot behind": _every(lambda a: f"https://{a}.:8080/"),
    "two dots behind": _every(lambda a: f"http://{a}../", V4[:8]),
    "full-width digits": _every(lambda a: f"http://{_wide(a)}/"),
    "circled digits": _every(lambda a: f"http://{_circled(a)}/", V4[:8]),
    "ideographic dots": _every(lambda a: f"http://{a.replace('.', '。')}/", V4[:8]),
    "full-width dots": _every(lambda a: f"http://{a.replace('.', '．')}/", V4[:8]),
    "digits of another script": _hosts("١٢٧.٠.٠.١", "१२७.०.०.१", "１2７.0.0.1"),
    "a percent-encoded digit": _every(lambda a: f"http://%3{a[0]}{a[1:]}/", V4[:8]),
    "a percent-encoded dot": _every(lambda a: f"http://{a.replace('.', '%2e')}/", V4[:8]),
    "a percent-encoded null behind": _every(lambda a: f"http://{a}%00.example.com/", V4[:8]),
    "an IPv6 address": _every(lambda a: f"http://[{a}]/", V6),
    "an IPv6 address at length": _hosts("[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[0:0::1]"),
    "IPv4 mapped into IPv6": _every(lambda a: f"http://[::ffff:{a}]/"),
    "IPv4 mapped in hexadecimal": _every(lambda a: f"http://[::ffff:{_hex_pairs(a)}]/"),
    "IPv4 compatible with IPv6": _every(lambda a: f"http://[::{a}]/"),
    "NAT64": _every(lambda a: f"http://[64:ff9b::{a}]/"),
    "local NAT64": _every(lambda a: f"http://[64:ff9b:1::{a}]/", V4[:8]),
    "6to4": _every(lambda a: f"http://[2002:{_hex_pairs(a)}::1]/"),
    "Teredo": _every(lambda a: f"http://[2001:0:{_hex_pairs(a)}::1]/", V4[:8]),
    "ISATAP": _every(lambda a: f"http://[2a00:1450::5efe:{_hex_pairs(a)}]/"),
    "ISATAP of a global address": _every(lambda a: f"http://[2a00:1450::200:5efe:{_hex_pairs(a)}]/", V4[:8]),
    "IPv4 translated": _every(lambda a: f"http://[::ffff:0:{a}]/", V4[:8]),
    "a zone": _hosts("[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%1]", "[fe80::1%2525]"),
    "brackets that do not fit": _hosts(
        "[::1", "::1]", "::1", "[[::1]]", "[::1].example.com", "[127.0.0.1]", "[localhost]"
    ),
    "a future address": _hosts("[v1.fe]", "[v6.::1]", "[vF.127.0.0.1]"),
    "userinfo before": _every(lambda a: f"http://example.com@{a}/"),
    "userinfo with a port": _every(lambda a: f"http://example.com:80@{a}:80/", V4[:8]),
    "userinfo, percent-encoded": _every(lambda a: f"http://example.com%40{a}/", V4[:8]),
    "two at signs": _every(lambda a: f"http://example.com@{a}@example.org/", V4[:8]),
    "a fragment before an at sign": _every(lambda a: f"http://{a}#@example.com/"),
    "a query before an at sign": _every(lambda a: f"http://{a}?@example.com/"),
    "a backslash before an at sign": _every(lambda a: f"http://{a}\\@example.com/", V4[:8]),
    "a semicolon before an at sign": _every(lambda a: f"http://{a};a=b@example.com:80/"),
    "two ports": _every(lambda a: f"http://{a}:80:80/", V4[:8]),
    "another scheme": tuple(
        f"{scheme}://127.0.0.1/"
        for scheme in ("ftp", "file", "gopher", "dict", "ldap", "jar:http", "ws", "data", "sftp", "tftp", "netdoc")
    ),
    "no scheme": ("127.0.0.1", "//127.0.0.1", "", "http", "127.0.0.1:80", "localhost:80/x"),
    "slashes too few or too many": (
        *("http:127.0.0.1", "http:/127.0.0.1", "http:///127.0.0.1", "http:////127.0.0.1/", "http:\\\\127.0.0.1"),
        *("http:/\\127.0.0.1", "https:127.0.0.1/x"),
    ),
    "no host": ("http://", "https://?", "http://#", "http://:80/", "http:///", "http://?@127.0.0.1/"),
    "what is no web page": (
        "file:///etc/passwd",
        "data:text/html,x",
        "javascript:alert(1)",
        "view-source:http://127.0.0.1",
    ),
    "a control character behind": tuple(
        f"http://example.com{bad}/" for bad in ("\0", "\r\n", "\t", " ", "\x7f", "\x85", "\xa0", "\\", "%00", "%0d%0a")
    ),
    "a control character within": tuple(
        f"http://exa{bad}mple.com/"
        for bad in ("\0", "\r", "\n", "\t", " ", "\x1f", "\ufeff", "\u202e", "\u200d", "%2e")
    ),
    "a request within": tuple(
        f"http://{host}{line}Host: 127.0.0.1/"
        for host in ("a.example", "127.0.0.1")
        for line in ("\r\n", "%0d%0a", "\n", " HTTP/1.1\r\n")
    ),
    "a port that is none": tuple(
        f"http://example.com:{port}/"
        for port in ("0", "22", "25", "443x", "-1", "65536", "99999", "٨٠", "", "0x50", "6 6")
    ),
    "a name of this machine": _hosts(
        "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost", "a.localhost"
    ),
    "a name of the cloud": _hosts(
        "metadata.google.internal", "kubernetes.default.svc", "instance-data", "metadata.azure.internal"
    ),
    "a name that leads inside": _hosts(
        *NAMES, "spoofed.example.com", "10.0.0.1.nip.io", "www.example.com", "xn--loclhost-1ya"
    ),
    "a name in other letters": _hosts(
        "loc\u00adalhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "lo\u200bcalhost", "ｌocalhost", "localhoſt", "ⅼocalhost"
    ),
    "a name that is none": _hosts(
        *(
            "-a.example",
            "a-.example",
            "a..example",
            ".example",
            f"{'a' * 64}.com",
            f"{'a.' * 130}com",
            "*.example",
            "a,b.example",
        ),
        *("a_.", "exam ple.com", "example.com\u3000", "{a}.example", "a'b.example", "$(id).example"),
    ),
    "a URL too long": ("http://example.com/" + "a" * 9000, "http://example.com/?" + "b" * 9000),
}

_GOOD_HOSTS = (
    *("example.com", "EXAMPLE.com", "a.b.c.d.example.org", "bücher.example", "例え.jp", "xn--bcher-kva.example"),
    *("1.1.1.1", "8.8.8.8", "[2606:4700:4700::1111]", "a_b.example.com", "3com.com", "x.co", "s-1.example.travel"),
    *("example.com.", "faß.example", "пример.испытание", "0x1.example", "127.0.0.1.example.com"),
)
_GOOD_PLACES = (
    *("", "/", "/a/b?c=d&e=%20f#g", "/übung?q=ä", "/a;b=c/~d/(e)", "?q=1", ":8080/x", ":443/", ":80", "/a@b:c", "#x"),
)
GOOD = tuple(
    f"{scheme}://{host}{place}" for scheme in ("http", "https") for host in _GOOD_HOSTS for place in _GOOD_PLACES
)
