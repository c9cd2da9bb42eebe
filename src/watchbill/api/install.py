"""`/install.sh`: the script that brings the agent onto one Linux machine. The same for everybody; nothing secret is in it."""

from importlib.resources import files

from fastapi import APIRouter, Response

PATH = "/install.sh"

pages = APIRouter(include_in_schema=False)


@pages.get(PATH)
async def get_install_script() -> Response:
    script = files("watchbill.api").joinpath("install.sh").read_bytes()
    return Response(script, media_type="text/x-shellscript; charset=utf-8")
