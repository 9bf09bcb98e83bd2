"""A page's connection to the server, held up by a test."""

from __future__ import annotations

import re

from playwright.sync_api import Page, WebSocketRoute

__all__ = ["HeldConnection"]


class HeldConnection:
    """A connection of a page to the server that can be held up; no message is lost."""

    def __init__(self, page: Page) -> None:
        self.page, self.held_up, self.waiting = page, False, []
        page.route_web_socket(re.compile("_stcore/stream"), self._connect)

    def _connect(self, browser: WebSocketRoute) -> None:
        self.server = browser.connect_to_server()
        browser.on_message(self._pass)

    def _pass(self, message: str | bytes) -> None:
        if self.held_up:
            self.waiting.append(message)
        else:
            self.server.send(message)

    def wait_for(self, messages: int) -> None:
        """Wait until so many messages wait."""
        while len(self.waiting) < messages:
            self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def send(self) -> None:
        """Send on what has waited longest."""
        self.server.send(self.waiting.pop(0))

    def go_on(self) -> None:
        self.held_up = False
        while self.waiting:
            self.send()
