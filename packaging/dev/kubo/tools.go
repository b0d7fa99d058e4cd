//go:build tools

// Package tools keeps Kubo's command among this module's requirements.
package tools

import _ "github.com/ipfs/kubo/cmd/ipfs/kubo"
