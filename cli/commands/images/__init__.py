"""`headrace images`: the own images of the catalogue, built by docker and pushed to ECR.

What an image is called and which requests are sent is said by `pipelines/container_images/`; here they are sent.
"""

import typer

from cli.commands.images import build, push

app = typer.Typer(help="The own images of the catalogue.", no_args_is_help=True)
app.command()(build.build)
app.command()(push.push)
