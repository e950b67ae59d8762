package audit

// Appender lets tests stand in for the file.
type Appender = appender

// NewFileOn is NewFile on another kind of file.
func NewFileOn(cfg FileConfig, open func(path string) (Appender, error)) (*File, error) {
	return newFile(cfg, open)
}

// Queued says how many events wait for the writer.
func Queued(f *File) int { return len(f.queue) }
