"""A job on the devices of the fixture `fleet`, and what is done with it through HTTP."""

from watchbill.api.job_shapes import JobBody

PATH = "/api/scheduled_jobs"
YAML = {"content-type": "text/yaml"}
SECRET = "correct-horse-battery-staple"
SCRIPT = {
    "name": "Clean up",
    "interpreter": "bash",
    "content": "true",
    "variables": [
        {"name": "MaxAgeHours", "type": "number", "default": 24},
        {"name": "Token", "type": "secret", "required": True},
    ],
}


def device(device_id):
    return {"kind": "device", "device_id": device_id}


def job(fleet, **changes):
    return {
        "name": "Clear print spool",
        "components": [{"assembly_id": fleet["assembly"], "variables": {"Token": SECRET, "MaxAgeHours": 8}}],
        "targets": [device(fleet["crane"]), device(fleet["pump"])],
        "schedule": {"type": "every_15_minutes", "timezone": "Europe/Berlin"},
    } | changes


async def create(client, fleet, **changes):
    reply = await client.post(PATH, json=job(fleet, **changes))
    assert reply.status_code == 201, reply.text
    return reply.json()


def definition_of(reply):
    """What a client sends back of a reply it has edited."""
    return {name: reply[name] for name in JobBody.model_fields}
