"""Sphinx: the documents of this folder as pages, and the API out of the docstrings. `make docs` writes build/docs."""

from importlib.metadata import version as version_of

project = "Openwork"
author = "the Openwork authors"
release = version_of("openwork")

root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["results"]
html_theme = "furo"
html_title = "Openwork"

apidoc_modules = [
    {
        "path": f"../{folder}/{package}",
        "destination": f"api/{package}",
        "separate_modules": True,
        "implicit_namespaces": False,
        "automodule_options": {"members", "show-inheritance"},
    }
    for folder, package in (
        ("sw", "openwork"),
        ("hw", "openwork_hw"),
        ("verification", "openwork_dv"),
        ("fpga", "openwork_fpga"),
    )
]

default_role = "code"
autodoc_default_options = {"ignore-module-all": True}  # each name once, where it is defined
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

myst_heading_anchors = 4
suppress_warnings = [
    "docutils",  # docstrings are written for people who read the source; their lists need no blank lines
    "misc.highlighting_failure",  # mermaid: a picture where the repository is looked at, its text here
    "myst.header",
    "myst.xref_missing",  # links to folders of the repository; `tests/test_documents.py` checks that these are there
    "ref.python",  # a name that a package exports has two homes
]
