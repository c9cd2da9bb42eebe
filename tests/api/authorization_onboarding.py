"""The rows of onboarding in the authorization matrix, and all rows together."""

from tests.api.authorization_addresses import looking
from tests.api.authorization_packages import ROWS as OTHERS
from tests.api.authorization_table import JOBS, READ, SAVE, SITE, START, Kind, Row

_OF_JOB = "/api/onboarding/jobs/{job_id}"
_ONE = "/api/onboarding/targets/{target_id}"
_JOB, _ADDRESS = (("job_id", "looking_id"),), (("target_id", "address_id"),)
#: It is of one site, always.
_LOOKING = Kind(("own", "foreign", "absent"))
ONBOARDING = (
    Row("POST /api/onboarding/scope", READ, body=lambda _: {"entries": "10.4.0.1-9"}),
    Row(f"GET {_OF_JOB}/targets", READ, _LOOKING, path_as=_JOB),
    Row(f"GET {_OF_JOB}/targets/export", READ, _LOOKING, path_as=_JOB, is_stream=True),
    Row(f"POST {_OF_JOB}/redeploy", START, _LOOKING, lambda _: {"targets": "unfinished"}, ok=202, path_as=_JOB),
    Row(f"GET {_ONE}", READ, _LOOKING, path_as=_ADDRESS),
    Row(f"DELETE {_ONE}/host_key", START, _LOOKING, ok=204, path_as=_ADDRESS),
    Row(
        f"POST {JOBS}",
        SAVE,
        SITE,
        lambda it: looking("anew", it.site_id, it.credential_id),
        ok=201,
        is_in_path=False,
        unseen=422,
    ),
)
ROWS = (*OTHERS, *ONBOARDING)
