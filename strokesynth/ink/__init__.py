"""Ink, which is what a pen wrote: its files, its drawing and its geometry."""

from strokesynth.ink import iam_xml, inkml, json_npz, raster, svg
from strokesynth.ink.files import check_output, register
from strokesynth.ink.ink import Ink

__all__ = ["Ink", "check_output"]

# In the order in which messages list the suffixes.
register(".svg", encode=svg.encode, decode=svg.decode)
register(".png", encode=raster.to_png)
register(".pdf", encode=raster.to_pdf)
register(".inkml", encode=inkml.encode, decode=inkml.decode)
register(".xml", decode=iam_xml.decode)
register(".json", encode=json_npz.to_json, decode=json_npz.from_json)
register(".npz", encode=json_npz.to_npz, decode=json_npz.from_npz)
