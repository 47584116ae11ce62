"""The objects of a project file: targets, their phases, what they depend on, and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from names import PRODUCTS, Spec, identity, product, setting, upgraded

OBJECT_VERSIONS: Final = {"xcode16_0": "77"}
FRAMEWORKS_FOLDER: Final = "10"
"""``dstSubfolderSpec`` of what embeds frameworks."""


def settings(spec: Spec, groups: Spec, config: str) -> dict[str, str]:
    """Those of one configuration: groups, then base, then the configuration's own."""
    merged: Spec = {}
    for group in spec.get("groups", ()):
        merged |= groups[group]
    merged |= spec.get("base", {}) | spec.get("configs", {}).get(config, {})
    return {key: setting(value) for key, value in sorted(merged.items())}


@dataclass
class Parts:
    """What goes into one target, by ids."""

    synchronized: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)


class Objects:
    """Made from a specification, one after the other."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.made: Spec = {}
        self.roots: dict[str, str] = {}

    def file(self) -> Spec:
        """The whole project file, as a tree."""
        root = self.project()
        version = OBJECT_VERSIONS[self.spec["options"]["projectFormat"]]
        head = {"archiveVersion": "1", "classes": {}, "objectVersion": version}
        return head | {"objects": self.made, "rootObject": root}

    def add(self, isa: str, key: str, /, **properties: object) -> str:
        """Add one object and give its id."""
        found = identity(isa, key)
        self.made[found] = {"isa": isa} | {name: value for name, value in properties.items() if value is not None}
        return found

    def project(self) -> str:
        """The root."""
        spec = self.spec
        packages = [
            self.add(
                "XCRemoteSwiftPackageReference",
                name,
                repositoryURL=package["url"],
                requirement={"branch": package["branch"], "kind": "branch"},
            )
            for name, package in spec["packages"].items()
        ]
        targets = [self.target(name) for name in spec["targets"]]
        built = [self.product(name) for name in spec["targets"]]
        products = self.add("PBXGroup", "Products", children=built, name="Products", sourceTree="<group>")
        navigator = self.add("PBXGroup", "", children=[*self.roots.values(), products], sourceTree="<group>")
        return self.add(
            "PBXProject",
            spec["name"],
            attributes={
                "BuildIndependentTargetsInParallel": "YES",
                "LastUpgradeCheck": upgraded(spec),
                "TargetAttributes": self.hosts(),
            },
            buildConfigurationList=self.configurations("", spec["settings"]),
            developmentRegion="en",
            hasScannedForEncodings="0",
            knownRegions=["en", "Base"],
            mainGroup=navigator,
            minimizedProjectReferenceProxies="1",
            packageReferences=packages,
            preferredProjectObjectVersion=OBJECT_VERSIONS[spec["options"]["projectFormat"]],
            productRefGroup=products,
            projectDirPath="",
            projectRoot="",
            targets=targets,
        )

    def hosts(self) -> Spec:
        """The application that each test bundle runs in."""
        targets = self.spec["targets"]
        return {
            identity("PBXNativeTarget", name): {"TestTargetID": identity("PBXNativeTarget", each["target"])}
            for name, target in targets.items()
            for each in target.get("dependencies", [])
            if targets.get(each.get("target"), {}).get("type") == "application"
        }

    def target(self, name: str) -> str:
        """A native target with its phases."""
        spec = self.spec["targets"][name]
        parts = Parts()
        for source in spec["sources"]:
            self.source(name, source, parts)
        for dependency in spec.get("dependencies", []):
            self.package(name, dependency, parts) if "package" in dependency else self.other(name, dependency, parts)
        phases = [
            self.phase("PBXSourcesBuildPhase", name, []),
            self.phase("PBXFrameworksBuildPhase", name, parts.linked),
            self.phase("PBXResourcesBuildPhase", name, parts.resources),
        ]
        if parts.embedded:
            where = {"dstPath": "", "dstSubfolderSpec": FRAMEWORKS_FOLDER}
            phases.append(self.phase("PBXCopyFilesBuildPhase", name, parts.embedded, "Embed Frameworks", **where))
        phases += [self.script(name, script) for script in spec.get("postBuildScripts", [])]
        return self.add(
            "PBXNativeTarget",
            name,
            buildConfigurationList=self.configurations(name, spec["settings"]),
            buildPhases=phases,
            buildRules=[],
            dependencies=parts.dependencies,
            fileSystemSynchronizedGroups=parts.synchronized,
            name=name,
            packageProductDependencies=parts.packages,
            productName=name,
            productReference=self.product(name),
            productType=PRODUCTS[spec["type"]][0],
        )

    def source(self, target: str, source: Spec, parts: Parts) -> None:
        """A folder of sources, or one that is copied as it is."""
        path, where = source["path"], {"path": source["path"], "sourceTree": "SOURCE_ROOT"}
        if source["type"] == "syncedFolder":
            self.roots[path] = self.add("PBXFileSystemSynchronizedRootGroup", path, **where)
            parts.synchronized.append(self.roots[path])
            return
        self.roots[path] = self.add("PBXFileReference", path, lastKnownFileType="folder", **where)
        parts.resources.append(self.member(target, "copy", self.roots[path]))

    def package(self, target: str, dependency: Spec, parts: Parts) -> None:
        """Products of a Swift package, linked."""
        for name in dependency["products"]:
            reference = self.add(
                "XCSwiftPackageProductDependency",
                f"{target}/{name}",
                package=identity("XCRemoteSwiftPackageReference", dependency["package"]),
                productName=name,
            )
            parts.packages.append(reference)
            parts.linked.append(self.add("PBXBuildFile", f"{target}/link/{reference}", productRef=reference))

    def other(self, target: str, dependency: Spec, parts: Parts) -> None:
        """Another target: built before, and if it is a framework linked, in an application embedded too."""
        name = dependency["target"]
        proxy = self.add(
            "PBXContainerItemProxy",
            f"{target}/{name}",
            containerPortal=identity("PBXProject", self.spec["name"]),
            proxyType="1",
            remoteGlobalIDString=identity("PBXNativeTarget", name),
            remoteInfo=name,
        )
        native = identity("PBXNativeTarget", name)
        parts.dependencies.append(self.add("PBXTargetDependency", f"{target}/{name}", target=native, targetProxy=proxy))
        if self.spec["targets"][name]["type"] == "framework":
            parts.linked.append(self.member(target, "link", self.product(name)))
            if dependency.get("embed", self.spec["targets"][target]["type"] == "application"):
                signed = {"ATTRIBUTES": ["CodeSignOnCopy", "RemoveHeadersOnCopy"]}
                parts.embedded.append(self.member(target, "embed", self.product(name), signed))

    def product(self, name: str) -> str:
        """What a target builds."""
        return self.add(
            "PBXFileReference",
            f"product/{name}",
            explicitFileType=PRODUCTS[self.spec["targets"][name]["type"]][1],
            includeInIndex="0",
            path=product(self.spec, name),
            sourceTree="BUILT_PRODUCTS_DIR",
        )

    def member(self, target: str, purpose: str, reference: str, settings: Spec | None = None) -> str:
        """A file in one of a target's phases."""
        key = f"{target}/{purpose}/{reference}"
        return self.add("PBXBuildFile", key, fileRef=reference, settings=settings)

    def script(self, target: str, script: Spec) -> str:
        """A phase that runs a shell script, in every build if it does not say otherwise."""
        return self.phase(
            "PBXShellScriptBuildPhase",
            target,
            [],
            script["name"],
            alwaysOutOfDate=None if script.get("basedOnDependencyAnalysis", True) else "1",
            inputPaths=[],
            outputPaths=[],
            shellPath="/bin/sh",
            shellScript=script["script"],
        )

    def phase(self, isa: str, target: str, files: list[str], name: str = "", /, **properties: object) -> str:
        """A build phase."""
        return self.add(
            isa,
            f"{target}/{name}",
            buildActionMask="2147483647",
            **properties,
            files=files,
            name=name or None,
            runOnlyForDeploymentPostprocessing="0",
        )

    def configurations(self, owner: str, spec: Spec) -> str:
        """Build settings of a target, or with an empty name of the project, in every configuration."""
        made = [
            self.add(
                "XCBuildConfiguration",
                f"{owner}/{config}",
                buildSettings=settings(spec, self.spec["settingGroups"], config),
                name=config,
            )
            for config in self.spec["configs"]
        ]
        return self.add(
            "XCConfigurationList",
            owner,
            buildConfigurations=made,
            defaultConfigurationIsVisible="0",
            defaultConfigurationName=self.spec["options"]["defaultConfig"],
        )
