// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins the programs that the tests use.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
