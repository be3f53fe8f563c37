"""A replay that is killed with SIGKILL at its second commit: `python -m tests.fakes.killed_replay SETTINGS MOMENT`.

In a process of its own, because only then nothing can be tidied up.
"""

from __future__ import annotations

import os
import signal
import sys

from kafka import KafkaProducer

from tests.fakes.letters import writer_with
from workers.deadletters import replay
from workers.deadletters.filters import LetterFilter
from workers.settings import KafkaSettings


class MortalProducer(KafkaProducer):  # type: ignore[misc]  # the client has no types
    commits = 0
    moment = "before"

    def commit_transaction(self) -> None:
        MortalProducer.commits += 1
        if MortalProducer.commits == 2 and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().commit_transaction()
        if MortalProducer.commits == 2:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    replay.MAX_LETTERS = 4
    MortalProducer.moment = sys.argv[2]
    settings = KafkaSettings.model_validate_json(sys.argv[1])
    replay.replay(settings, LetterFilter(), open_writer=writer_with(MortalProducer))
