package oidc

// Exported for fuzzing, which signs nothing.
var (
	CheckLogoutHeader = checkLogoutHeader
	ReadLogoutClaims  = readLogoutClaims
)
