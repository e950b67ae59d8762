package arguments

// The patterns of text. violation.go says each of them in words.
const (
	// ID admits what can be one path segment: no dot at the start, so neither "."
	// nor "..", and nothing that needs an escape.
	ID = `^[A-Za-z0-9_-][A-Za-z0-9._~-]*$`
	// Key admits visible ASCII, which nothing on the way writes in two ways.
	Key = `^[!-~]+$`
	// Line admits text without control characters.
	Line = `^[^\x00-\x1f\x7f]*$`
	// Prose admits text with at least one visible character; of the control
	// characters only tab and line breaks.
	Prose = `^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$`
	// Visible admits what can be the value of a header field as it is (RFC 9110
	// §5.5): visible ASCII, with spaces between.
	Visible = `^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$`
	// Item admits what can be joined with others by commas.
	Item = `^[^,\x00-\x1f\x7f]*$`
)

// MaxIntent is what is audited of telemetry.intent, in characters.
const MaxIntent = 500

// Telemetry is the schema of the member telemetry, which every tool takes.
const Telemetry = `{"type":"object","additionalProperties":false,"properties":{` +
	`"intent":{"type":"string","maxLength":500,"description":"One sentence: what the user wants to achieve. Written to the company's audit trail."}},` +
	`"description":"Optional. Not needed for the result."}`
