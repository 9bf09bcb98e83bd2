"""What the server allows a browser: everything the app does, and nothing else."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from pages.parts.server.security_headers import middleware, policy

#: Collects what a policy refused, from the first script on.
WATCH = """
  window.refused = [];
  document.addEventListener("securitypolicyviolation",
    (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def ask(address: str, **headers: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/theory", "/?data=mnist", "/_stcore/health", "/favicon.png", "/nothing/here"),
        *("/assets/mnist/mvae/decoders", "/assets/mnist/gpt/decoders"),
    ],
)
def test_every_answer_says_what_a_browser_may_do(serve, path):
    _, headers = ask(serve("app.py") + path, Accept="text/html")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    script = headers["content-security-policy"].split("script-src")[1].split(";")[0]
    assert "'unsafe-inline'" not in script
    assert "'unsafe-eval'" not in script
    assert "http" not in headers["content-security-policy"]


def test_no_page_asks_for_what_is_refused(visitor):
    visitor.page.add_init_script(WATCH)
    for path in (
        *("/?plane=0,1&at=1,1", "/?source=drawing", "/?source=upload", "/?data=translation"),
        *("/?data=mnist&model=mvae-2d", "/traverse", "/map", "/compare", "/results"),
        *("/supervision", "/missing", "/learn", "/learn?step=8", "/theory"),
    ):
        page = visitor.open(path)
        for box in page.get_by_test_id("stExpander").locator("summary").all():
            box.click()
            visitor.settled(page)
        assert page.evaluate("window.refused") == [], path


def test_a_script_that_somebody_slips_in_does_not_run(serve, context, settled):
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(serve("app.py"))
    settled(page)
    expect(page.get_by_role("heading", level=3).first).to_be_visible()
    page.evaluate("""() => {
      const there = document.createElement("div");
      there.innerHTML = '<img src="data:," onerror="window.slipped = 1">'
        + '<img src="http://127.0.0.1:9/p.png">';
      document.body.append(there);
    }""")
    page.wait_for_function("() => window.refused.length >= 2")
    assert page.evaluate("window.slipped") is None
    refused = page.evaluate("window.refused")
    assert any(text.startswith("script-src") for text in refused)
    assert any(text.startswith("img-src") for text in refused)


@pytest.fixture
def course():
    """Serve pages that show an app in a frame; gives the addresses of two such servers."""
    shown = {}

    class Course(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            frame = f"<iframe width=900 height=700 src={shown['address']}></iframe>"
            self.wfile.write(frame.encode())

        def log_message(self, *_: object) -> None:
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Course) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield shown, [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_nobody_embeds_it_unless_the_operator_says_so(serve, context, monkeypatch, course):
    shown, (one, other) = course
    page = context.new_page()

    def refused(by: str) -> None:
        with page.expect_console_message(lambda m: "frame-ancestors" in m.text):
            page.goto(by)

    shown["address"] = serve("app.py")
    refused(one)
    monkeypatch.setenv("MVAE_EMBEDDED_BY", one)
    # an option of its own, so that it is another server
    shown["address"] = serve("app.py", "--server.maxUploadSize", "9")
    page.goto(one)
    expect(page.frame_locator("iframe").get_by_role("heading", level=3).first).to_be_visible()
    refused(other)


def test_another_name_than_the_operators_is_refused(serve, monkeypatch):
    monkeypatch.setenv("MVAE_HOST", "explorer.test")
    address = serve("app.py", "--server.maxUploadSize", "8")
    assert ask(address, Host="explorer.test")[0] == 200
    assert ask(address)[0] == 200  # from the machine itself
    assert ask(address, Host="evil.test")[0] == 400


@pytest.mark.parametrize("name", ["MVAE_EMBEDDED_BY", "MVAE_HOST"])
@pytest.mark.parametrize("value", ["https://a.test; script-src *", "a,b", "'self'"])
def test_a_setting_that_is_no_address_is_refused_in_words(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} contains .*, which is not an address"):
        middleware()


def test_a_script_of_the_document_is_known_by_its_hash():
    # By the example of CSP 3, https://www.w3.org/TR/CSP3/#external-hash
    told = policy((), [b"alert('Hello, world.');"])
    assert "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='" in told
