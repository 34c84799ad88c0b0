"""`vpnlab image`."""

from __future__ import annotations

import click

from lab.cli import options
from lab.cli.consoles import errors, output
from lab.cli.output import print_json, say
from lab.cli.progress import ConsoleProgress
from lab.cli.show import images_table
from lab.control.labs import images_in_use
from lab.errors import UsageError
from lab.image import ImageInfo, ensure, list_images, remove


@click.group("image")
def command() -> None:
    """Build, list and remove the images that machines boot."""


@command.command()
@options.output_format
@options.verbose
def build(output_format: str) -> None:
    """Build this version's image, unless it is there."""
    with ConsoleProgress(errors(), verbose=options.is_verbose()) as progress:
        image = ensure(progress.doing)
    if output_format == "json":
        print_json("image", key=image.key, directory=str(image.directory), kernel=str(image.kernel),
                   initramfs=str(image.initramfs), root=str(image.root))  # fmt: skip
    else:
        click.echo(f"image {image.key} is in {image.directory}")


@command.command("list")
@options.output_format
@options.verbose
def list_(output_format: str) -> None:
    """List the images in the cache, the most recently used first."""
    images, used = list_images(), images_in_use()
    if output_format == "json":
        print_json("images", images=[_as_json(info, used) for info in images])
    elif images:
        output().print(images_table(images, used))
    else:
        say("there is no image: `vpnlab image build` makes one, and so does `vpnlab up`")


@command.command()
@click.argument("key", required=False)
@options.option("--all", "everything", env="IMAGE_RM_ALL", is_flag=True, help="Remove all that no running lab uses.")
@options.output_format
@options.verbose
def rm(key: str | None, *, everything: bool, output_format: str) -> None:
    """Remove an image or base by its key, with what is built on it. The beginning of a key is enough."""
    if everything == (key is not None):
        raise UsageError("which image?", mend="vpnlab image rm KEY, or vpnlab image rm --all")
    gone = remove(key, images_in_use())
    if output_format == "json":
        print_json("images-removed", images=[_as_json(info, frozenset()) for info in gone])
    for info in gone:
        say(f"removed {info.kind} {info.key}")
    if not gone:
        say("nothing to remove")


def _as_json(info: ImageInfo, used: frozenset[str]) -> dict[str, object]:
    return {"key": info.key, "kind": info.kind, "base": info.base, "directory": str(info.directory),
            "size_bytes": info.size_bytes, "built": info.built.isoformat(), "last_used": info.last_used.isoformat(),
            "in_use": info.key in used}  # fmt: skip
