package redis

import (
	"strings"

	"github.com/redis/rueidis"
)

// ClockKey is where an engine of UseClockOfTest finds the time, as the fields s
// and us.
const ClockKey = "clock"

// UseClockOfTest has the script read the time from a key instead of the server's
// clock. It is called before the first event.
func UseClockOfTest(e *Engine) {
	text := strings.Replace(takeLua, "redis.call('TIME')", "redis.call('HMGET', '"+ClockKey+"', 's', 'us')", 1)
	if text == takeLua {
		panic("the script does not ask for the time")
	}
	e.link.script = rueidis.NewLuaScript(text)
}
