"""`python -m watchbill_agent`, the same as the `watchbill-agent` command."""

from watchbill_agent.cli import main

main()
