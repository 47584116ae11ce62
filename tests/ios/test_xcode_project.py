"""The committed Xcode project is what ``project.yml`` says, and each is what its reader knows.

Xcode and XcodeGen are not here. The project is read by a parser other than its writer's; what both readers know is
stated below: of XcodeGen by its ``Docs/ProjectSpec.md``, of Xcode by what it writes itself.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstep_plist
import places
import pytest
import yaml

IOS = places.ROOT / "ios_xctest"
SPEC: dict[str, Any] = yaml.safe_load((IOS / "project.yml").read_text())
PROJECT = IOS / "PEValidate.xcodeproj"
FILE: dict[str, Any] = openstep_plist.loads((PROJECT / "project.pbxproj").read_text(), use_numbers=False)
OBJECTS: dict[str, dict[str, Any]] = FILE["objects"]
ROOT = OBJECTS[FILE["rootObject"]]
TARGETS = {OBJECTS[each]["name"]: OBJECTS[each] for each in ROOT["targets"]}
SCHEME = ET.parse(PROJECT / "xcshareddata" / "xcschemes" / "PEValidate.xcscheme").getroot()
CONFIGS = ("Debug", "Release")

every_target = pytest.mark.parametrize("name", SPEC["targets"])
every_config = pytest.mark.parametrize("config", CONFIGS)

XCODEGEN = {
    "project": "name include options attributes breakpoints configs configFiles settings settingGroups targets "
    "fileGroups schemes schemeTemplates targetTemplates packages projectReferences",
    "options": "minimumXcodeGenVersion createIntermediateGroups bundleIdPrefix settingPresets developmentLanguage "
    "usesTabs indentWidth tabWidth xcodeVersion projectFormat deploymentTarget disabledValidations defaultConfig "
    "groupSortPosition groupOrdering transitivelyLinkDependencies generateEmptyDirectories localPackagesGroup "
    "fileTypes preGenCommand postGenCommand useBaseInternationalization schemePathPrefix defaultSourceDirectoryType",
    "settings": "groups configs base",
    "target": "type platform deploymentTarget sources configFiles settings dependencies info entitlements templates "
    "transitivelyLinkDependencies preBuildScripts postCompileScripts postBuildScripts buildRules scheme attributes",
    "source": "path name group compilerFlags excludes includes createIntermediateGroups optional buildPhase type "
    "headerVisibility attributes resourceTags",
    "script": "name script path inputFiles outputFiles inputFileLists outputFileLists shell showEnvVars "
    "runOnlyWhenInstalling basedOnDependencyAnalysis discoveredDependencyFile",
    "target dependency": "target embed link codeSign removeHeaders weak platformFilter destinationFilters platforms",
    "package dependency": "package product products embed link codeSign removeHeaders weak platformFilter",
    "package": "url github branch revision majorVersion minorVersion exactVersion version from minVersion maxVersion "
    "path group",
    "scheme": "build run test profile analyze archive management",
    "build": "targets parallelizeBuild buildImplicitDependencies runPostActionsOnFailure preActions postActions",
    "action": "config commandLineArguments preActions postActions environmentVariables disableMainThreadChecker "
    "debugEnabled language region macroExpansion targets testPlans gatherCoverageData executable customArchiveName "
    "revealArchiveInOrganizer",
}
"""Keys that XcodeGen reads, by where they stand."""

VALUES = {
    "type": {"framework", "application", "bundle.unit-test"},
    "source type": {"file", "group", "folder", "syncedFolder"},
    "build for": {"all", "none", "run", "test", "profile", "analyze", "archive"},
}

PHASE = {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"}
XCODE: dict[str, tuple[set[str], set[str]]] = {
    "PBXBuildFile": (set(), {"fileRef", "productRef", "settings"}),
    "PBXContainerItemProxy": ({"containerPortal", "proxyType", "remoteGlobalIDString", "remoteInfo"}, set()),
    "PBXCopyFilesBuildPhase": (PHASE | {"dstPath", "dstSubfolderSpec"}, {"name"}),
    "PBXFileReference": ({"path", "sourceTree"}, {"explicitFileType", "includeInIndex", "lastKnownFileType"}),
    "PBXFileSystemSynchronizedRootGroup": ({"path", "sourceTree"}, {"exceptions"}),
    "PBXFrameworksBuildPhase": (PHASE, set()),
    "PBXGroup": ({"children", "sourceTree"}, {"name", "path"}),
    "PBXNativeTarget": (
        {"buildConfigurationList", "buildPhases", "buildRules", "dependencies", "name", "productName"}
        | {"productReference", "productType", "fileSystemSynchronizedGroups", "packageProductDependencies"},
        set(),
    ),
    "PBXProject": (
        {"attributes", "buildConfigurationList", "developmentRegion", "hasScannedForEncodings", "knownRegions"}
        | {"mainGroup", "packageReferences", "productRefGroup", "projectDirPath", "projectRoot", "targets"},
        {"minimizedProjectReferenceProxies", "preferredProjectObjectVersion"},
    ),
    "PBXResourcesBuildPhase": (PHASE, set()),
    "PBXShellScriptBuildPhase": (
        PHASE | {"shellPath", "shellScript"},
        {"name", "inputPaths", "outputPaths", "alwaysOutOfDate"},
    ),
    "PBXSourcesBuildPhase": (PHASE, set()),
    "PBXTargetDependency": ({"target", "targetProxy"}, set()),
    "XCBuildConfiguration": ({"buildSettings", "name"}, set()),
    "XCConfigurationList": (
        {"buildConfigurations", "defaultConfigurationIsVisible", "defaultConfigurationName"},
        set(),
    ),
    "XCRemoteSwiftPackageReference": ({"repositoryURL", "requirement"}, set()),
    "XCSwiftPackageProductDependency": ({"package", "productName"}, set()),
}
"""Keys that an object has, and that it may have, by its kind."""


def known(where: str, found: dict[str, Any]) -> None:
    unknown = found.keys() - set(XCODEGEN[where].split())
    assert not unknown, f"XcodeGen ignores {unknown} of a {where}"


def references(value: object) -> Iterator[str]:
    """Ids that an object mentions; settings and names are never 24 hexadecimal digits."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from references(key)
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, str) and len(value) == 24 and not set(value) - set("0123456789ABCDEF"):
        yield value


def plain(value: object) -> str:
    return ("NO", "YES")[value] if isinstance(value, bool) else str(value)


def stated(spec: dict[str, Any], config: str) -> dict[str, str]:
    """Settings of ``project.yml``, in XcodeGen's order: groups, base, configs."""
    found: dict[str, Any] = {}
    for layer in [*(SPEC["settingGroups"][g] for g in spec.get("groups", [])), spec.get("base", {})]:
        found.update(layer)
    found.update(spec.get("configs", {}).get(config, {}))
    return {key: plain(value) for key, value in found.items()}


def written(owner: dict[str, Any], config: str) -> dict[str, str]:
    listed = OBJECTS[owner["buildConfigurationList"]]["buildConfigurations"]
    (found,) = (OBJECTS[each] for each in listed if OBJECTS[each]["name"] == config)
    return dict(found["buildSettings"])


def phases(name: str, isa: str) -> list[dict[str, Any]]:
    return [OBJECTS[each] for each in TARGETS[name]["buildPhases"] if OBJECTS[each]["isa"] == isa]


def members(phase: dict[str, Any]) -> list[str]:
    """Paths of files, names of package products."""
    found = [OBJECTS[each] for each in phase["files"]]
    return [
        OBJECTS[each["fileRef"]]["path"] if "fileRef" in each else OBJECTS[each["productRef"]]["productName"]
        for each in found
    ]


def test_the_project_is_made_from_the_specification(tmp_path: Path) -> None:
    subprocess.run([sys.executable, IOS / "project", tmp_path], check=True, timeout=60)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    committed = {
        p.relative_to(IOS): p.read_bytes() for p in PROJECT.rglob("*") if p.suffix in (".pbxproj", ".xcscheme")
    }
    assert made == committed, "run 'python ios_xctest/project' and commit what it writes"


def test_xcodegen_knows_every_key() -> None:
    known("project", SPEC)
    known("options", SPEC["options"])
    known("settings", SPEC["settings"])
    for package in SPEC["packages"].values():
        known("package", package)
    for target in SPEC["targets"].values():
        known("target", target)
        known("settings", target["settings"])
        assert target["type"] in VALUES["type"]
        for source in target["sources"]:
            known("source", source)
            assert source["type"] in VALUES["source type"]
        for script in target.get("postBuildScripts", []):
            known("script", script)
        for dependency in target.get("dependencies", []):
            known("package dependency" if "package" in dependency else "target dependency", dependency)
    for scheme in SPEC["schemes"].values():
        known("scheme", scheme)
        known("build", scheme["build"])
        for when in scheme["build"]["targets"].values():
            assert {when} if isinstance(when, str) else set(when) <= VALUES["build for"]
        for action in scheme.keys() - {"build"}:
            known("action", scheme[action])


def test_what_is_named_in_the_specification_is_defined_there() -> None:
    for target in SPEC["targets"].values():
        assert set(target["settings"].get("groups", [])) <= SPEC["settingGroups"].keys()
        for dependency in target.get("dependencies", []):
            assert dependency.get("target", "PEValidateApp") in SPEC["targets"]
            assert dependency.get("package", "executorch") in SPEC["packages"]
    assert SPEC["options"]["defaultConfig"] in SPEC["configs"]


@pytest.mark.parametrize("identity", OBJECTS)
def test_every_object_has_the_keys_of_its_kind_and_refers_to_others_that_are_there(identity: str) -> None:
    found = OBJECTS[identity]
    required, optional = XCODE[found["isa"]]
    assert required <= found.keys() - {"isa"} <= required | optional
    assert set(references(found)) <= OBJECTS.keys()


def test_every_object_is_used() -> None:
    reached, waiting = set[str](), [FILE["rootObject"]]
    while waiting:
        identity = waiting.pop()
        if identity not in reached:
            reached.add(identity)
            waiting += references(OBJECTS[identity])
    assert reached == OBJECTS.keys()


def test_targets_and_their_kinds_agree() -> None:
    kinds = {name: target["productType"].removeprefix("com.apple.product-type.") for name, target in TARGETS.items()}
    assert kinds == {name: target["type"] for name, target in SPEC["targets"].items()}


@every_target
def test_folders_agree(name: str) -> None:
    sources = SPEC["targets"][name]["sources"]
    synchronized = [OBJECTS[each]["path"] for each in TARGETS[name]["fileSystemSynchronizedGroups"]]
    assert synchronized == [source["path"] for source in sources if source["type"] == "syncedFolder"]
    (resources,) = phases(name, "PBXResourcesBuildPhase")
    assert members(resources) == [s["path"] for s in sources if s.get("buildPhase") == "resources"]


@every_target
def test_scripts_agree(name: str) -> None:
    listed = SPEC["targets"][name].get("postBuildScripts", [])
    found = phases(name, "PBXShellScriptBuildPhase")
    assert [(phase["name"], phase["shellScript"]) for phase in found] == [(s["name"], s["script"]) for s in listed]
    assert all(phase["alwaysOutOfDate"] == "1" for phase in found), "what it copies is not declared"
    last = TARGETS[name]["buildPhases"][-len(found) :] if found else []
    assert [OBJECTS[each] for each in last] == found, "XcodeGen puts them after all others"


@every_target
def test_dependencies_agree(name: str) -> None:
    listed = SPEC["targets"][name].get("dependencies", [])
    targets = [each["target"] for each in listed if "target" in each]
    frameworks = [f"{each}.framework" for each in targets if SPEC["targets"][each]["type"] == "framework"]
    products = [product for each in listed for product in each.get("products", [])]
    assert [OBJECTS[OBJECTS[each]["target"]]["name"] for each in TARGETS[name]["dependencies"]] == targets
    assert [OBJECTS[each]["productName"] for each in TARGETS[name]["packageProductDependencies"]] == products
    (linked,) = phases(name, "PBXFrameworksBuildPhase")
    assert members(linked) == [*frameworks, *products]
    embedded = [m for p in phases(name, "PBXCopyFilesBuildPhase") if p["dstSubfolderSpec"] == "10" for m in members(p)]
    assert embedded == (frameworks if SPEC["targets"][name]["type"] == "application" else [])


@every_config
def test_settings_of_the_project_agree(config: str) -> None:
    assert written(ROOT, config) == stated(SPEC["settings"], config)


@every_target
@every_config
def test_settings_of_targets_agree(name: str, config: str) -> None:
    assert written(TARGETS[name], config) == stated(SPEC["targets"][name]["settings"], config)


def test_packages_agree() -> None:
    found = {OBJECTS[each]["repositoryURL"]: OBJECTS[each]["requirement"] for each in ROOT["packageReferences"]}
    assert found == {p["url"]: {"kind": "branch", "branch": p["branch"]} for p in SPEC["packages"].values()}


def test_the_scheme_agrees() -> None:
    (spec,) = SPEC["schemes"].values()
    for tag, action in [("Test", "test"), ("Launch", "run"), ("Profile", "profile"), ("Archive", "archive")]:
        (element,) = SCHEME.findall(f"{tag}Action")
        assert element.attrib["buildConfiguration"] == spec[action]["config"]
    ids = {OBJECTS[each]["name"]: each for each in ROOT["targets"]}
    for reference in SCHEME.iter("BuildableReference"):
        assert reference.attrib["BlueprintIdentifier"] == ids[reference.attrib["BlueprintName"]]
        assert reference.attrib["ReferencedContainer"] == "container:PEValidate.xcodeproj"
    testables = [e.attrib["BlueprintName"] for e in SCHEME.findall("TestAction/Testables/*/BuildableReference")]
    assert testables == spec["test"]["targets"]
    built = {
        built_by(entry): {action.lower() for action in ("Test", "Run", "Profile", "Archive") if is_built(entry, action)}
        for entry in SCHEME.iter("BuildActionEntry")
    }
    every = {"test", "run", "profile", "archive"}
    assert built == {name: every if when == "all" else set(when) for name, when in spec["build"]["targets"].items()}


def built_by(entry: ET.Element) -> str:
    (reference,) = entry.findall("BuildableReference")
    return reference.attrib["BlueprintName"]


def is_built(entry: ET.Element, action: str) -> bool:
    spelled = {"Run": "Running", "Profile": "Profiling", "Archive": "Archiving"}.get(action, f"{action}ing")
    return entry.attrib[f"buildFor{spelled}"] == "YES"


def test_tests_are_timed_as_an_app_is_shipped() -> None:
    (test,) = SCHEME.findall("TestAction")
    assert test.attrib["buildConfiguration"] == "Release"
    assert test.attrib["selectedDebuggerIdentifier"] == ""
    assert written(ROOT, "Release")["SWIFT_OPTIMIZATION_LEVEL"] == "-O"


def test_tests_run_inside_the_app() -> None:
    ids = {name: next(each for each in ROOT["targets"] if OBJECTS[each] is target) for name, target in TARGETS.items()}
    hosts = ROOT["attributes"]["TargetAttributes"]
    assert hosts == {ids["ConversionTests"]: {"TestTargetID": ids["PEValidateApp"]}}
    for config in CONFIGS:
        found = written(TARGETS["ConversionTests"], config)
        assert found["TEST_HOST"] == "$(BUILT_PRODUCTS_DIR)/PEValidateApp.app/PEValidateApp"
        assert found["BUNDLE_LOADER"] == "$(TEST_HOST)"


@every_config
def test_whoever_links_executorch_loads_all_of_it_and_nobody_else_links_it(config: str) -> None:
    for name, target in TARGETS.items():
        flags = written(target, config).get("OTHER_LDFLAGS", "").split()
        assert ("-all_load" in flags) == bool(target["packageProductDependencies"]), name
    owners = [name for name, target in TARGETS.items() if target["packageProductDependencies"]]
    assert owners == ["PEValidateRuntimes"], "two copies would register every backend twice"


@every_config
def test_the_app_says_why_it_wants_the_camera_and_runs_on_ios_17(config: str) -> None:
    assert written(TARGETS["PEValidateApp"], config)["INFOPLIST_KEY_NSCameraUsageDescription"]
    assert written(ROOT, config)["IPHONEOS_DEPLOYMENT_TARGET"] == "17.0"
    assert written(ROOT, config)["SWIFT_VERSION"] == "6.0"


def test_every_folder_of_sources_is_there() -> None:
    for target in SPEC["targets"].values():
        for source in target["sources"]:
            assert any((IOS / source["path"]).iterdir()), source["path"]


@pytest.mark.parametrize("bundled", [True, False])
def test_the_script_puts_the_bundle_where_the_app_looks_or_says_that_there_is_none(
    tmp_path: Path, bundled: bool
) -> None:
    (script,) = SPEC["targets"]["PEValidateApp"]["postBuildScripts"]
    source, app, tools = tmp_path / "a b" / "Resources", tmp_path / "My App.app", tmp_path / "tools"
    for folder in (source / "PE-Nano", app / "PEValidate" / "old", tools):
        folder.mkdir(parents=True)
    (tools / "ditto").write_text('#!/bin/sh\ncp -R "$1" "$2"\n')  # macOS has one
    (tools / "ditto").chmod(0o755)
    if bundled:
        (source / "manifest.json").write_text("{}")
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "SRCROOT": str(source.parent),
        "TARGET_BUILD_DIR": str(tmp_path),
        "UNLOCALIZED_RESOURCES_FOLDER_PATH": app.name,
    }
    command = ["/bin/sh", "-c", script["script"]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert 'inApp = "PEValidate"' in (IOS / "Sources" / "PEValidateCore" / "ClassTables.swift").read_text()
    assert {path.name for path in (app / "PEValidate").rglob("*")} == (
        {"manifest.json", "PE-Nano"} if bundled else set()
    )
    assert ("warning: " in done.stdout) == (not bundled)
