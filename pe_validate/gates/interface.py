"""interface: an artifact declares the one input and the one output that apps expect of its precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.targets.registry import recipe

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence
    from pe_validate.targets.runtime import Runtime


class InterfaceGate(Gate):
    """Checks the names, where files hold them, the shapes and the types of the input and the output.

    Of a file that someone else made, it says what an app hands over if that is a pixel buffer.
    """

    name = "interface"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of artifacts that were exported here: others may use names of their own."""
        return subject.here and subject.made_here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the declarations of the artifact with those of the model."""
        if not evidence.subject.here or not evidence.comparable:
            return None
        runtime = evidence.runtime("model")
        return self.judge_runtime(evidence, runtime) if evidence.subject.made_here else self._handed(evidence, runtime)

    def _handed(self, evidence: Evidence, runtime: Runtime) -> Verdict | None:
        """Say which pixel buffer an app hands over; the numbers have shown that it is the right one, or not."""
        images = [spec for spec in runtime.inputs if spec.pixels]
        if not images:
            return None
        buffers = " and ".join(
            f"for '{spec.name}' a pixel buffer, {spec.shape[-1]} pixels wide and {spec.shape[-2]} high, which Core ML "
            f"reads as {spec.pixels}"
            for spec in images
        )
        finding = f"an app hands over {buffers}; it does not normalise."
        return decide(evidence.case, self.name, True, finding, producer=runtime.producer)

    def judge_runtime(self, evidence: Evidence, runtime: Runtime) -> Verdict:
        """Judge the declarations of a loaded artifact."""
        dtype = recipe(evidence.case).scheme.dtype
        wanted = [replace(evidence.model.input, dtype=dtype), replace(evidence.model.output, dtype=dtype)]
        found = [*runtime.inputs, *runtime.outputs]
        if not evidence.target.keeps_names and len(found) == len(wanted):
            wanted = [replace(spec, name=each.name) for spec, each in zip(wanted, found, strict=True)]
        finding = f"it declares {', '.join(map(str, found))}"
        finding += "." if found == wanted else f", where {' and '.join(map(str, wanted))} are wanted."
        return decide(evidence.case, self.name, found == wanted, finding, producer=runtime.producer)


INTERFACE: Final = InterfaceGate()
