// Builds Kubo for the tests, at pinned versions (docs/adr/0002-building-kubo-for-tests.md). Used by ../get-kubo.sh.
module pincrew.dev/kubo

go 1.26.5

require github.com/ipfs/kubo v0.43.1

// Kubo's own go.mod replaces go-libp2p by a fork, and replacements do not reach those who depend on it. These are the
// versions that go-libp2p's release asks for.
replace (
	github.com/quic-go/quic-go => github.com/quic-go/quic-go v0.60.0
	github.com/quic-go/webtransport-go => github.com/quic-go/webtransport-go v0.11.1
)
