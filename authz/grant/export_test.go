package grant

// Wait makes everything that was put into the cache visible: entries are queued.
func (c *Cache) Wait() { c.live.Wait() }
