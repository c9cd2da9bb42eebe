"""How what goes wrong on an SSH connection becomes the state and the reason of a machine."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from watchbill.core.onboarding_states import OnboardingReason, OnboardingState
from watchbill.onboarding.base import OnboardingError, Story, Task


def failed(reason: OnboardingReason, detail: str, snippet: str = "") -> OnboardingError:
    return OnboardingError(OnboardingState.FAILED, reason, detail, snippet)


def unsupported(reason: OnboardingReason, detail: str, snippet: str = "") -> OnboardingError:
    return OnboardingError(OnboardingState.UNSUPPORTED, reason, detail, snippet)


@asynccontextmanager
async def step(story: Story, name: str) -> AsyncIterator[Task]:
    """A task of the timeline. A connection that breaks in it, or is not heard from any more, is a failure that names it."""
    async with story.task(name) as task:
        try:
            yield task
        except (OSError, asyncssh.Error) as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                # Ours; the one of a connection that the system gave up has a number.
                detail = f"The machine did not come to an end with “{name}” in time."
                raise failed(OnboardingReason.TIMED_OUT, detail) from None
            detail = f"The connection was lost at “{name}”: {said(error)}."
            raise failed(OnboardingReason.CONNECTION_LOST, detail) from error


def said(error: Exception) -> str:
    """What an error says, to be put into a sentence."""
    if type(error) is OSError or isinstance(error, ConnectionError):
        return os.strerror(error.errno) if error.errno else "it was closed"
    return str(error).strip().rstrip(".") or type(error).__name__
