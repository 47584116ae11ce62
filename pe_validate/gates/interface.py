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
    """Checks the names, where files hold them, the shapes and the types of the input and the output."""

    name = "interface"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of artifacts that were exported here: others may use names of their own."""
        return subject.here and subject.made_here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the declarations of the artifact with those of the model; say of any other how it lies in memory."""
        if self.required(evidence.subject):
            return self.judge_runtime(evidence, evidence.runtime("model")) if evidence.comparable else None
        return None if evidence.subject.made_here else self._memory(evidence, evidence.runtime("model"))

    def _memory(self, evidence: Evidence, runtime: Runtime) -> Verdict | None:
        """Return what an app has to know of memory that is not in the order of the axes; None if all of it is."""
        unusual = [spec for spec in (*runtime.inputs, *runtime.outputs) if spec.order]
        finding = (
            f"it declares {' and '.join(map(str, unusual))}: an app has to hand over and read that memory in this "
            "order, since the runtime takes it as it lies, without an error."
        )
        return decide(evidence.case, self.name, True, finding, producer=runtime.producer) if unusual else None

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
