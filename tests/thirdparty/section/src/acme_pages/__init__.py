"""What a third party ships: a section of the HTML report."""

from harness.api import hookimpl

HARNESS_API = 1


@hookimpl
def register_report_sections(register):
    register(
        "acme-pages",
        "acme_pages.section:Attacked",
        version="1",
        summary="How many images of each model were attacked",
    )
