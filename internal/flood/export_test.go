package flood

// MaxKeys is how many keys a Gate tells apart.
const MaxKeys = maxKeys

// Len returns how many keys g remembers.
func (g *Gate) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.keys)
}

// Held returns how many events are held back and not reported yet.
func (g *Gate) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.rest.held
	for _, w := range g.keys {
		n += w.held
	}
	return n
}
