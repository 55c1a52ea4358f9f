"""Sends records to a server from a thread of its own, in order, until they are taken: a server that is slow or away costs
no step and no record (promise 5). What could not be sent by the end is counted and said."""

import logging
import queue
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0


class Outbox:
    """Records on their way to one server. `close` must be called once."""

    def __init__(self, server: str, may_pass: Callable[[Exception], bool]) -> None:
        """server: for people; may_pass: whether, after this error, the same record may be taken later."""
        self._server, self._may_pass = server, may_pass
        self._queue: queue.Queue[Callable[[], object] | None] = queue.Queue()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._away = False
        self.unsent = 0
        """Records that were refused or, after `close`, never sent."""
        self._thread = threading.Thread(target=self._work, name=f"outbox of {server}", daemon=True)
        self._thread.start()

    def put(self, send: Callable[[], object]) -> None:
        """Sends a record when those before it are sent. Returns at once."""
        self._queue.put(send)

    def close(self, seconds: float = 15.0) -> None:
        """Waits up to `seconds` for what is still to be sent."""
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._queue.put(None)
        self._thread.join(seconds + RETRY_SECONDS + 1)
        self.unsent += self._queue.unfinished_tasks - 1  # the None above is never marked as done
        if self.unsent:
            log.warning("%d records did not reach %s; the local files have them all", self.unsent, self._server)

    def _work(self) -> None:
        while (send := self._queue.get()) is not None:
            while not self._sent(send):
                if self._closing.is_set() and time.monotonic() > self._deadline:
                    return
                time.sleep(RETRY_SECONDS)
            self._queue.task_done()

    def _sent(self, send: Callable[[], object]) -> bool:
        """Whether this record is done with: sent, or refused for good. Going away and coming back are said once."""
        try:
            send()
        except Exception as error:  # whatever it is, the records behind this one must get their turn
            if self._may_pass(error):
                if not self._away:
                    log.warning("%s is away (%s); records are kept and sent later", self._server, _short(error))
                self._away = True
                return False
            log.warning("%s refused a record: %s", self._server, _short(error))
            self.unsent += 1
            return True
        if self._away:
            log.warning("%s is back; what was kept is being sent", self._server)
            self._away = False
        return True


def _short(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:200]
