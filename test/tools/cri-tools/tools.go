// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools pins the programs that the tests use.
package tools

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
	_ "sigs.k8s.io/cri-tools/cmd/critest"
)
