-- Counts one event in all buckets, or in none if one of them refuses.
-- KEYS are the buckets; ARGV has the interval and the window of each, in
-- nanoseconds. A bucket is the time at which it is full again (GCRA), in
-- microseconds with three decimals.
--
-- Answers 1 if the event was counted and 0 if not, and then for each bucket how
-- much time of its window is spent, in nanoseconds.
local time = redis.call('TIME')
-- Counted from 2026, so that a double has room for the decimals.
local now = (tonumber(time[1]) - 1767225600) * 1000000 + tonumber(time[2])

local spent, clamped, pass = {}, {}, 1
for i = 1, #KEYS do
	local interval, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
	local ahead = math.floor((tonumber(redis.call('GET', KEYS[i]) or now) - now) * 1000 + 0.5)
	-- More than a window is what a clock that was set back, or a rate that was
	-- lowered, leaves behind: it locks nobody out.
	clamped[i] = ahead > window
	spent[i] = math.min(math.max(ahead, 0), window)
	-- The clock has whole microseconds, and a double does not keep each nanosecond:
	-- whoever waits as told must not be refused for a part of one.
	if spent[i] + interval > window + 1000 then
		pass = 0
	end
end

local answer = { pass }
for i = 1, #KEYS do
	if pass == 1 then
		spent[i] = spent[i] + tonumber(ARGV[2 * i - 1])
	end
	-- Kept also when the event is refused: the time to wait counts from here.
	if pass == 1 or clamped[i] then
		redis.call('SET', KEYS[i], string.format('%.3f', now + spent[i] / 1000), 'PX', math.ceil(spent[i] / 1000000) + 1000)
	end
	answer[i + 1] = spent[i]
end
return answer
