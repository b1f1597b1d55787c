"""``custody deployments``: the list of deployments that a person works with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from custody.cli.options import Format, FormatOption, ProfileOption, RegionOption, Run

if TYPE_CHECKING:
    from custody.cli.places import Place

app = typer.Typer(rich_markup_mode=None)

_NAME_HELP = "Its name in the list. The default is the name and the environment, such as custody-dev."


@app.command()
def add(
    location: Annotated[
        str, typer.Argument(metavar="S3_URI|FILE", help="The deployment's file, which make apply writes.")
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help=_NAME_HELP, show_default=False)] = None,
    *,
    output: FormatOption = Format.TABLE,
    profile: ProfileOption = None,
    region: RegionOption = None,
) -> int:
    """Add a deployment, after reading its file once.

    With --profile, that AWS profile is kept with it, and used whenever it is named.
    """
    from custody.cli.places import Place, read_list, require_name, write_list
    from custody.errors import UsageError

    places = read_list()
    place = Place(location if location.startswith("s3://") else str(Path(location).absolute()), profile)
    run = Run(place.location, output, profile, region)
    workgroup = run.deployment.workgroup
    name = require_name(workgroup if name is None else name)
    if name in places and places[name].location != place.location:
        raise UsageError(
            f"The list has another deployment {name}, at {places[name].location}.",
            "Give this one another --name, or remove the other: custody deployments remove.",
        )
    write_list({**places, name: place})
    if output is Format.JSON:
        run.write_json(_entry(name, place))
    else:
        run.answer(f"{name} is in the list: {place.location}")
    return 0


@app.command("list")
def show_list(*, output: FormatOption = Format.TABLE) -> int:
    """List the deployments."""
    from custody.cli.places import read_list
    from custody.cli.tables import print_deployments

    run, places = Run(None, output), read_list()
    if output is Format.JSON:
        run.write_json({"deployments": [_entry(name, place) for name, place in places.items()]})
    else:
        print_deployments(run, places)
    return 0


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in the list.")],
    *,
    output: FormatOption = Format.TABLE,
) -> int:
    """Remove a deployment from the list; nothing else happens to it."""
    from custody.cli.places import read_list, write_list
    from custody.errors import UsageError

    run, places = Run(None, output), read_list()
    if name not in places:
        raise UsageError(
            f"There is no deployment {name[:200]!r} in the list.", "See custody deployments list."
        )
    place = places.pop(name)
    write_list(places)
    if output is Format.JSON:
        run.write_json(_entry(name, place))
    else:
        run.answer(f"{name} is no longer in the list.")
    return 0


def _entry(name: str, place: Place) -> dict[str, str | None]:
    return {"name": name, "location": place.location, "profile": place.profile}
