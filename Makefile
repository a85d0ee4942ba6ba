# `make` alone lists what there is. Only Python 3.11, git and make have to be there already.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
PYTHON ?= python3
RUN := .venv/bin/python
ARGS ?=
# Each with a control plane of its own. More than there are processors: most of what a test does is to wait.
WORKERS ?= 4
# Clusters beside the control plane of `make up`, in a pool of their own.
MEMBERS ?= 0
# `real`: one node with kubelet, containerd and real containers in place of simulated ones. Linux, as root.
NODE ?=
# Where `make image` writes.
OUT ?= dist/headgate.tar
export PYTHONPATH := $(CURDIR)/hack/controlplane:$(CURDIR)

.PHONY: help demo test up down bench image crds facade captures lint

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | sed 's/\$$\$$/$$/' | expand -t 16

demo: .venv/stamp ## two queues contend for one full environment, live in this terminal (1.5 minutes)
	@$(RUN) -m hack.demo

test: .venv/stamp ## all tests, and lint; ARGS="-k drain" for some of them
	@$(RUN) -m controlplane build etcd kube-apiserver kube-controller-manager kube-scheduler kwok helm kubeconform \
		$$($(RUN) -m hack.node tools) >&2
	@$(RUN) -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder $(ARGS)

up: .venv/stamp ## start control plane and operator: eval "$$(make up)"; MEMBERS=2, NODE=real: more
	@$(RUN) -m hack.local up --members=$(MEMBERS) --node=$(NODE)

down: .venv/stamp ## stop what `make up` started, and remove its state
	@$(RUN) -m hack.local down

bench: .venv/stamp ## measure; ARGS go to python -m bench
	@$(RUN) -m bench $(ARGS)

image: .venv/stamp ## the operator's image as a file, without a registry: OUT=headgate.tar
	@$(RUN) -m hack.image build --out $(OUT)

crds: .venv/stamp ## write crds/ and the chart's copies from the models
	@$(RUN) -m headgate.api.crds --write

facade: .venv/stamp ## write the synchronous client and its reference from the asynchronous one
	@$(RUN) -m hack.facade --write
	@$(RUN) -m hack.client_reference --write

captures: .venv/stamp ## take the pictures in docs/images anew (2 minutes)
	@$(RUN) -m hack.captures

lint: .venv/stamp ## ruff, mypy, import contracts, CRDs, helm lint, kubeconform
	@$(RUN) -m hack.lint

.venv/stamp: requirements-dev.lock pyproject.toml
	@$(PYTHON) hack/venv.py
