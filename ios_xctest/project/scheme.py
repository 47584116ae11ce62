"""Schemes: which targets are built when, and in which configuration."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

from names import Spec, identity, product, setting, upgraded

ACTIONS: Final = ("testing", "running", "profiling", "archiving", "analyzing")
SHORT: Final = {"testing": "test", "running": "run", "profiling": "profile", "archiving": "archive"}
DEBUGGER: Final = ("Xcode.DebuggerFoundation.Debugger.LLDB", "Xcode.DebuggerFoundation.Launcher.LLDB")
NO_DEBUGGER: Final = ("", "Xcode.IDEFoundation.Launcher.PosixSpawn")


def scheme(spec: Spec, name: str) -> bytes:
    """The scheme of that name, as XML."""
    found = spec["schemes"][name]
    app = next(each for each in found["build"]["targets"] if spec["targets"][each]["type"] == "application")
    root = ET.Element("Scheme", LastUpgradeVersion=upgraded(spec), version="1.7")
    _build(spec, root, found["build"]["targets"])
    test = _action(root, "TestAction", found["test"], shouldUseLaunchSchemeArgsEnv="NO")
    _reference(spec, ET.SubElement(test, "MacroExpansion"), app)
    testables = ET.SubElement(test, "Testables")
    for target in found["test"]["targets"]:
        _reference(spec, ET.SubElement(testables, "TestableReference", skipped="NO", parallelizable="NO"), target)
    launched = (
        _action(root, "LaunchAction", found["run"], launchStyle="0", useCustomWorkingDirectory="NO"),
        ET.SubElement(
            root, "ProfileAction", buildConfiguration=found["profile"]["config"], shouldUseLaunchSchemeArgsEnv="YES"
        ),
    )
    for action in launched:
        _reference(spec, ET.SubElement(action, "BuildableProductRunnable", runnableDebuggingMode="0"), app)
    ET.SubElement(root, "AnalyzeAction", buildConfiguration=found["analyze"]["config"])
    archive = found["archive"]["config"]
    ET.SubElement(root, "ArchiveAction", buildConfiguration=archive, revealArchiveInOrganizer="YES")
    ET.indent(root, "   ")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root) + b"\n"


def _build(spec: Spec, root: ET.Element, wanted: Spec) -> None:
    build = ET.SubElement(root, "BuildAction", parallelizeBuildables="YES", buildImplicitDependencies="YES")
    entries = ET.SubElement(build, "BuildActionEntries")
    for target, when in wanted.items():
        chosen = {f"buildFor{each.title()}": setting(when == "all" or SHORT.get(each) in when) for each in ACTIONS}
        _reference(spec, ET.SubElement(entries, "BuildActionEntry", chosen), target)


def _action(root: ET.Element, tag: str, spec: Spec, **attributes: str) -> ET.Element:
    """Testing or running, with a debugger unless it is not wanted."""
    debugger, launcher = DEBUGGER if spec.get("debugEnabled", True) else NO_DEBUGGER
    attributes |= {
        "buildConfiguration": spec["config"],
        "selectedDebuggerIdentifier": debugger,
        "selectedLauncherIdentifier": launcher,
    }
    if spec.get("disableMainThreadChecker"):
        attributes["disableMainThreadChecker"] = "YES"
    return ET.SubElement(root, tag, attributes)


def _reference(spec: Spec, parent: ET.Element, target: str) -> None:
    ET.SubElement(
        parent,
        "BuildableReference",
        BuildableIdentifier="primary",
        BlueprintIdentifier=identity("PBXNativeTarget", target),
        BuildableName=product(spec, target),
        BlueprintName=target,
        ReferencedContainer=f"container:{spec['name']}.xcodeproj",
    )
