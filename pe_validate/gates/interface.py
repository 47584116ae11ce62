"""interface: an artifact declares the inputs and outputs that apps expect of its precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.inputs.feed import QuantisedFeed
from pe_validate.targets.registry import recipe

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence
    from pe_validate.targets.runtime import Runtime


class InterfaceGate(Gate):
    """Checks the names, where files hold them, the shapes and the types of inputs and outputs.

    Of a file that someone else made, it says what an app has to do that it need not do for the model.
    """

    name = "interface"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of artifacts that were exported here: others may use names of their own."""
        return subject.here and subject.made_here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the declarations of the artifact with those of the model, or name how a stranger's file differs."""
        if not evidence.subject.here or not evidence.comparable:
            return None
        runtime = evidence.runtime("model")
        if evidence.subject.made_here:
            return self.judge_runtime(evidence, runtime)
        return self._judge_contract(evidence, runtime) or self._handed(evidence, runtime)

    def _handed(self, evidence: Evidence, runtime: Runtime) -> Verdict | None:
        """Say how an app calls what the numbers have shown to be right, or not; None if with plain arrays alone."""
        handed = [
            f"for '{spec.name}' a pixel buffer, {spec.shape[-1]} pixels wide and {spec.shape[-2]} high, which Core ML "
            f"reads as {spec.pixels}; it does not normalise"
            for spec in runtime.inputs
            if spec.pixels
        ] + [
            f"the memory of '{spec.name}' {spec.layout}: the runtime takes it as it lies, without an error"
            for spec in (*runtime.inputs, *runtime.outputs)
            if spec.order
        ]
        said = [f"an app hands over {' and '.join(handed)}"] if handed else []
        if len(runtime.outputs) > len(evidence.model.outputs):
            judged = " and ".join(f"'{runtime.outputs[index].name}'" for index in runtime.wanted())
            said.append(f"of its {len(runtime.outputs)} outputs {judged} was judged, and no other")
        if evidence.rounds_outputs(evidence.answers("model")):
            said.append("it rounds what it gives to float16, and is judged up to that rounding")
        return (
            decide(evidence.case, self.name, True, f"{'; '.join(said)}.", producer=runtime.producer) if said else None
        )

    def _judge_contract(self, evidence: Evidence, runtime: Runtime) -> Verdict | None:
        """Judge the differences that a file shows, or that were said to be meant; None if there are none."""
        from pe_validate.machines.adapted import AdaptedRuntime  # with it comes numpy, which a report can do without

        found = evidence.contract
        if not isinstance(runtime, AdaptedRuntime):
            return None
        declared, own = (", ".join(map(str, specs)) for specs in (runtime.declared[0], evidence.model.inputs))
        finding = f"it takes {declared}, where the model takes {own}; an app must give it {found.told}"
        if isinstance(evidence.model.feed, QuantisedFeed):
            finding += f" ({evidence.model.feed.quantised})"
        meant = evidence.accepted is not None
        finding += ", which is meant." if meant else f"; its numbers are judged so. Meant? Say --contract {found}."
        return decide(evidence.case, self.name, meant, finding, producer=runtime.producer)

    def judge_runtime(self, evidence: Evidence, runtime: Runtime) -> Verdict:
        """Judge the declarations of a loaded artifact."""
        floats = recipe(evidence.case).scheme.dtype
        of_model = (*evidence.model.inputs, *evidence.model.outputs)
        wanted = [evidence.target.declared(spec.as_floats(floats)) for spec in of_model]
        found = [*runtime.inputs, *runtime.outputs]
        if not evidence.target.keeps_names and len(found) == len(wanted):
            wanted = [replace(spec, name=each.name) for spec, each in zip(wanted, found, strict=True)]
        finding = f"it declares {', '.join(map(str, found))}"
        finding += "." if found == wanted else f", where {' and '.join(map(str, wanted))} are wanted."
        return decide(evidence.case, self.name, found == wanted, finding, producer=runtime.producer)


INTERFACE: Final = InterfaceGate()
