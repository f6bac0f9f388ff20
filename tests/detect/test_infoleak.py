"""Responses: what leaks is found as it looks in the wild, and pages that only talk about it are left alone."""

from __future__ import annotations

import json
from html import escape

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.model.exchange import Exchange, Response

JAVA = """java.lang.NullPointerException: Cannot invoke "String.length()" because "name" is null
\tat com.shop.catalog.ItemService.find(ItemService.java:118)
\tat com.shop.web.ItemController.show(ItemController.java:42)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""
PYTHON = """Traceback (most recent call last):
  File "/srv/shop/views.py", line 87, in checkout
    total = cart["total"]
KeyError: 'total'
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at show (/srv/app/routes/items.js:31:17)
    at Layer.handle [as handle_request] (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at next (/srv/app/node_modules/express/lib/router/route.js:149:13)
"""
DOTNET = """System.NullReferenceException: Object reference not set to an instance of an object.
   at Shop.Web.Controllers.ItemController.Show(Int32 id) in C:\\build\\Shop.Web\\Controllers\\ItemController.cs:line 54
   at lambda_method12(Closure, Object)
"""
PHP = """PHP Fatal error:  Uncaught PDOException: could not find driver in /var/www/shop/db.php:12
Stack trace:
#0 /var/www/shop/db.php(12): PDO->__construct('mysql:host=loca...')
#1 /var/www/shop/index.php(3): connect()
#2 {main}
  thrown in /var/www/shop/db.php on line 12
"""
RUBY = """NoMethodError (undefined method `price' for nil:NilClass):
app/controllers/items_controller.rb:17:in `show'
actionpack (7.0.4) lib/action_controller/metal/basic_implicit_render.rb:6:in `send_action'
"""
GO = """panic: runtime error: index out of range [3] with length 2

goroutine 18 [running]:
main.(*Server).item(0xc0001a2000, {0x7f1e80, 0xc0001b8000}, 0xc0001ba000)
\t/srv/shop/server.go:88 +0x1b4
"""
RUST = """thread 'main' panicked at src/handlers/items.rs:41:27:
called `Option::unwrap()` on a `None` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/std/src/panicking.rs:665:5
   1: core::panicking::panic_fmt
"""
KEY = "-----BEGIN {}PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\n-----END {}PRIVATE KEY-----\n"

LEAKS = {
    "trace of Java": ("text/plain", JAVA),
    "trace of Java in a page": ("text/html", f"<html><body><h1>HTTP Status 500</h1><pre>{escape(JAVA)}</pre></body></html>"),
    "trace of Java in JSON": ("application/json", json.dumps({"status": 500, "trace": JAVA})),
    "trace of Python": ("text/plain", PYTHON),
    "trace of Python in a page": ("text/html", f"<pre>{escape(PYTHON)}</pre>"),
    "trace of Python in JSON": ("application/json", json.dumps({"detail": PYTHON})),
    "trace of Node.js": ("text/html", f"<pre>{escape(NODE)}</pre>"),
    "trace of .NET": ("text/plain", DOTNET),
    "trace of PHP": ("text/plain", PHP),
    "trace of Ruby": ("text/plain", RUBY),
    "trace of Go": ("text/plain", GO),
    "trace of Rust": ("text/plain", RUST),
    "MySQL": (
        "text/html",
        "<p>You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right "
        "syntax to use near ''1''' at line 1</p>",
    ),
    "PostgreSQL": ("text/html", 'Warning: pg_query(): Query failed: ERROR:  unterminated quoted string at or near "\'" LINE 1: SELECT'),
    "PostgreSQL in JSON": ("application/json", '{"error":"ERROR: syntax error at or near \\"FROM\\" (SQLSTATE 42601)"}'),
    "SQL Server": ("text/html", "Unclosed quotation mark after the character string ''. Incorrect syntax near ''."),
    "Oracle": ("text/plain", "ORA-01756: quoted string not properly terminated\n"),
    "SQLite": ("text/plain", 'sqlite3.OperationalError: near "FROM": syntax error\n'),
    "SQLite in JSON": ("application/json", '{"code":"SQLITE_ERROR","message":"SQLITE_ERROR: near \\"FROM\\": syntax error"}'),
    "RSA key": ("text/plain", KEY.format("RSA ", "RSA ")),
    "key in PKCS #8": ("text/plain", KEY.format("", "")),
    "key of SSH": ("application/json", json.dumps({"key": KEY.format("OPENSSH ", "OPENSSH ")})),
    "listing by nginx": (
        "text/html",
        '<html>\r\n<head><title>Index of /backup/</title></head>\r\n<body>\r\n<h1>Index of /backup/</h1><hr><pre><a href="../">../</a>\r\n'
        '<a href="db.sql.gz">db.sql.gz</a>              14-Mar-2026 09:26      18234411\r\n</pre><hr></body>\r\n</html>',
    ),
    "listing by Apache": (
        "text/html",
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n  <title>Index of /backup</title>\n </head>\n'
        ' <body>\n<h1>Index of /backup</h1>\n  <table>\n   <tr><th><a href="?C=N;O=D">Name</a></th></tr>\n</table></body></html>',
    ),
    "listing by IIS": (
        "text/html",
        '<html><head><title>shop.example - /backup/</title></head><body><H1>shop.example - /backup/</H1><hr>\r\n\r\n'
        '<pre><A HREF="/">[To Parent Directory]</A><br><br> 3/14/2026  9:26 AM     18234411 <A HREF="/backup/db.zip">db.zip</A></pre>',
    ),
    "listing by Python": (
        "text/html",
        '<!DOCTYPE HTML>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Directory listing for /backup/</title>\n</head>\n'
        "<body>\n<h1>Directory listing for /backup/</h1>\n<hr>\n<ul>\n<li><a href=\"db.sql\">db.sql</a></li>\n</ul>",
    ),
    "source of PHP": ("text/plain", "<?php\n$db = new PDO('mysql:host=localhost', 'shop', 'hunter2');\nrequire 'lib.php';\n"),
    "source of a JSP": ("text/html", '<%@ page import="java.sql.*" %>\n<% Connection c = DriverManager.getConnection(url, "shop", "x"); %>'),
    "configuration of WordPress": ("text/plain", "<?php\ndefine( 'DB_NAME', 'shop' );\ndefine('DB_PASSWORD', 'hunter2');\n"),
    "environment file": ("text/plain", "APP_ENV=production\nAPP_KEY=base64:kx9T2mA\nDB_HOST=127.0.0.1\nDB_USERNAME=shop\nDB_PASSWORD=hunter2\n"),
    "repository": ("text/plain", '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n[remote "origin"]\n\turl = git@host:shop.git\n'),
    "users of the system": ("text/plain", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"),
}  # fmt: skip


def document(title: str, text: str) -> tuple[str, str]:
    return (
        "text/html",
        f"<!doctype html><html><head><title>{title}</title></head><body><main><h1>{title}</h1>{text}</main></body></html>",
    )


HARMLESS = {
    "about stack traces": document(
        "Reading a stack trace",
        "<p>A stack trace lists the calls that led to an exception, the innermost first in Java and last in Python. Look for the first "
        "line that names a file of your own. Each line says <code>at</code>, the method, the file and the line.</p>",
    ),
    "about tracebacks": document(
        "The traceback module",
        "<p>Use <code>traceback.print_exc()</code> to print the most recent call last. Format it with <code>format_exc</code>.</p>",
    ),
    "an example session": (
        "text/plain",
        "Broken responses are told apart::\n\n    >>> client.get('x')\n    Traceback (most recent call last):\n    ...\n    ServerError: 502\n",
    ),
    "a server's first page": (
        "text/html",
        "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n<style>\nhtml { color-scheme: light dark; }\n</style>\n</head>\n"
        "<body>\n<h1>Welcome to nginx!</h1>\n<p>If you see this page, the web server is installed and working. Further configuration is "
        "required.</p>\n<p><em>Thank you for using nginx.</em></p>\n</body>\n</html>\n",
    ),
    "a style sheet": ("text/css", "/* errors */ .exception::before{content:'at '} .trace>li{white-space:pre}"),
    "a package's manifest": (
        "application/json",
        '{"name":"shop","scripts":{"start":"node index.js"},"dependencies":{"mysql2":"^3.9.0"},"bugs":{"url":"https://shop.example/issues"}}',
    ),
    "a sitemap": ("text/xml", '<?xml version="1.0"?><urlset><url><loc>https://shop.example/errors</loc></url></urlset>'),
    "about SQL errors": document(
        "Troubleshooting queries",
        "<p>If the server says that there is an error in the syntax, check quotes and commas. Oracle numbers its messages with "
        "an ORA prefix, PostgreSQL gives a SQLSTATE of five characters.</p>",
    ),
    "about keys": document(
        "Setting up TLS",
        "<p>Put the certificate, which begins with <code>-----BEGIN CERTIFICATE-----</code>, beside the private key, and let nobody "
        "but root read the key. Never paste a private key into a ticket.</p>",
    ),
    "about listings": document(
        "Index of articles", "<p>Directory listing is turned on by <code>autoindex on</code>. To the parent directory leads <code>..</code>.</p>"
    ),
    "an index of a book": document("Index of Economic Freedom", "<h2>Index of persons</h2><ul><li>Adam, 14</li></ul>"),
    "highlighted PHP": document(
        "Hello world in PHP",
        '<pre class="highlight"><span class="cp">&lt;?php</span> <span class="nv">$name</span> <span class="o">=</span> '
        '<span class="s1">&#39;Ann&#39;</span><span class="p">;</span></pre>',
    ),
    "highlighted Python": document(
        "try and except",
        '<pre><span class="k">try</span>:\n    run()\n<span class="k">except</span> KeyError <span class="k">as</span> error:\n    '
        "log.exception(error)</pre>",
    ),
    "highlighted Java": document(
        "Exceptions", "<pre>throw new IllegalStateException(&quot;closed&quot;);\n} catch (IOException e) { e.printStackTrace(); }</pre>"
    ),
    "JSON with the word error": ("application/json", '{"error":null,"errors":[],"message":"0 errors, 2 warnings","stack":"frontend"}'),
    "JSON of a refusal": ("application/json", '{"error":{"code":"validation_failed","field":"email","message":"is not valid"}}'),
    "problem details": (
        "application/problem+json",
        '{"type":"https://api.shop.example/problems/out-of-stock","title":"Out of stock","status":409,"traceId":"00-4bf92f-00"}',
    ),
    "JSON of a status page": ("application/json", '{"incidents":[{"title":"Database errors","body":"Fatal errors at 12:04, fixed"}]}'),
    "JSON with public keys": (
        "application/json",
        '{"keys":[{"kty":"RSA","kid":"1","use":"sig","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx","e":"AQAB"}]}',
    ),
    "a public key": ("text/plain", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0Z3V\n-----END PUBLIC KEY-----\n"),
    "a script": ("application/javascript", "try{f()}catch(e){console.error('Fatal error',e.stack)}//# sourceMappingURL=app.js.map"),
    "a style": ("text/css", ".error,.warning{color:red}.stack-trace{font-family:monospace}"),
    "a shop page": document("Shop", "<p>Root beer: 0.99. At home (Main Street: 12) since 1998. Line 3, in the file cabinet.</p>"),
    "a changelog": document(
        "Release notes", "<ul><li>Fixed a fatal error on start</li><li>Warning: settings moved</li><li>parse error told by line</li></ul>"
    ),
    "a plain 500": ("text/html", "<html><head><title>500 Internal Server Error</title></head><body><center>nginx</center></body></html>"),
    "an application's own error": ("text/plain", "Something went wrong on our side. Reference 8f14e45f. Please try again later."),
    "a feed": ("application/rss+xml", '<?xml version="1.0"?><rss><channel><title>Database news</title><item><title>Oracle 23</title></item></channel></rss>'),
    "prose in German": document("Fehler finden", "<p>Die Ausnahme zeigt, in welcher Zeile der Fehler auftrat; lies sie von unten.</p>"),
    "a man page": document("git-config", "<p>The variables are divided into sections, such as <code>[core]</code> and <code>[remote]</code>.</p>"),
    "a table of variables": document("Settings", "<table><tr><td>DB_PASSWORD</td><td>the password of the database</td></tr></table>"),
}  # fmt: skip


def inspect(detector: Detector, kind: str, body: str) -> set[str]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
    return {finding.type for finding in detector.inspect(Exchange(None, Response(head, body.encode())))}


@pytest.mark.parametrize(("kind", "body"), LEAKS.values(), ids=LEAKS)
def test_leaks_are_found(detector: Detector, kind: str, body: str) -> None:
    assert inspect(detector, kind, body) == {"infoleak"}


@pytest.mark.parametrize(("kind", "body"), HARMLESS.values(), ids=HARMLESS)
def test_pages_that_talk_about_leaks_are_left_alone(detector: Detector, kind: str, body: str) -> None:
    assert inspect(detector, kind, body) == set()


@pytest.mark.parametrize(("kind", "body"), LEAKS.values(), ids=LEAKS)
def test_a_leak_deep_in_a_page_is_found(detector: Detector, kind: str, body: str) -> None:
    filler = "Anvils, forged in one piece; the horn is hardened and ground. " * 300
    assert inspect(detector, "text/plain", f"{filler}\n{body}") == {"infoleak"}
