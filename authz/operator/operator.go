package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/teamlumos/mcp-edge/authz/audit"
	"github.com/teamlumos/mcp-edge/authz/client"
	"github.com/teamlumos/mcp-edge/authz/grant"
	"github.com/teamlumos/mcp-edge/authz/store"
	"github.com/teamlumos/mcp-edge/internal/clock"
	"github.com/teamlumos/mcp-edge/internal/httpx"
	"github.com/teamlumos/mcp-edge/internal/reason"
)

// ErrNotAudited says that an act could not be written to the audit trail. Where
// it had begun by then, its first line is there.
var ErrNotAudited = errors.New("the audit trail cannot be written")

// Store is what the lists are read from.
type Store interface {
	store.ClientLister
	store.RejectionReader
	store.UserReader
	store.Updater
	LiveFamiliesOfUser(ctx context.Context, userID string, now time.Time) ([]store.Family, error)
}

// Clients finds one client, also one that registered and that nobody approved
// yet; *client.Clients is one.
type Clients interface {
	Client(ctx context.Context, id string) (store.Client, error)
}

// Grants ends what people gave, to a client or at all; *grant.Service is one.
type Grants interface {
	RevokeClient(ctx context.Context, clientID, why string, remove bool) ([]store.Family, error)
	RevokeUser(ctx context.Context, userID, why string, record grant.Record) (grant.Ended, error)
}

// Config configures a Service.
type Config struct {
	Store    Store            // required
	Clients  Clients          // required
	Grants   Grants           // required
	Profiles *client.Registry // required
	Policy   Policy           // required
	Audit    audit.Recorder   // required
	Clock    clock.Clock      // default the system's
	Log      *slog.Logger     // default slog.Default
}

// Service is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Clients == nil || cfg.Grants == nil || cfg.Profiles == nil || cfg.Policy == nil || cfg.Audit == nil {
		return nil, errors.New("operator: store, clients, grants, profiles, policy and audit are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{cfg: cfg}, nil
}

// Clients lists clients in the byte order of their ids, at most limit of those
// after that id, and says whether more follow. One that registered is listed from
// its first approval on; before, it has no row. The error is store.ErrUnavailable.
func (s *Service) Clients(ctx context.Context, after string, limit int) (page []store.ClientSummary, more bool, err error) {
	page, err = s.cfg.Store.Clients(ctx, after, limit+1, s.cfg.Clock.Now())
	if err != nil {
		return nil, false, fmt.Errorf("list clients: %w", err)
	}
	if len(page) > limit {
		return page[:limit], true, nil
	}
	return page, false, nil
}

// Rejected is a rejection with what would admit it.
type Rejected struct {
	store.Rejection
	// Remedy is what would admit it …
	Remedy client.Remedy
	// … and Hopeless why nothing would; nil where there is a remedy.
	Hopeless error
}

// Rejections lists what was refused because nothing allows it, newest first, at
// most limit. The error is store.ErrUnavailable.
func (s *Service) Rejections(ctx context.Context, limit int) ([]Rejected, error) {
	kept, err := s.cfg.Store.Rejections(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("list rejections: %w", err)
	}
	list := make([]Rejected, 0, len(kept))
	for _, j := range kept {
		r := Rejected{Rejection: j}
		r.Remedy, r.Hopeless = s.cfg.Profiles.Remedy(j)
		list = append(list, r)
	}
	return list, nil
}

// EndClient ends every grant of a client, in all domains, and with remove the
// client itself. When it returns nil, nothing of it is accepted any more by this
// process. It returns how many grants ended. The error is store.ErrNotFound,
// store.ErrUnavailable or ErrNotAudited.
//
// A client that a metadata document describes comes back when a person connects
// it again: what keeps it out is the configuration.
func (s *Service) EndClient(ctx context.Context, id string, remove bool) (ended int, err error) {
	found, err := s.cfg.Clients.Client(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("end client: %w", err)
	}
	detail := "end the grants of a client"
	if remove {
		detail = "remove a client with its grants"
	}
	ctx = context.WithoutCancel(ctx) // begun is done
	if err := s.announce(ctx, audit.Event{ClientID: id, ClientName: found.Name, Detail: detail}); err != nil {
		return 0, err
	}
	families, err := s.cfg.Grants.RevokeClient(ctx, id, grant.ByAdmin, remove)
	if err != nil {
		return 0, fmt.Errorf("end client: %w", err)
	}
	return len(families), s.recordEnd(ctx, found, families, remove)
}

// recordEnd writes what an end has ended. The trail is in order, so that it is
// enough when its last line is durable; those between let the disk keep up.
func (s *Service) recordEnd(ctx context.Context, c store.Client, ended []store.Family, removed bool) error {
	var events []audit.Event
	for _, f := range ended {
		events = append(events, audit.Event{
			Name: audit.TokenRevoked, DomainID: f.Domain, UserID: f.UserID, GrantID: f.ID, Resource: f.Resource, Scopes: f.Scopes,
		})
	}
	if removed {
		events = append(events, audit.Event{Name: audit.ClientRemoved, Detail: "by an operator, with " + strconv.Itoa(len(ended)) + " grants"})
	}
	for i, e := range events {
		e.ClientID, e.ClientName, e.Reason, e.Durable = c.ID, c.Name, byAdmin, i == len(events)-1 || i%100 == 99
		if err := s.record(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// byAdmin is the reason in the trail of what an operator ended.
const byAdmin reason.Reason = grant.ByAdmin

// Dismiss takes a rejection off the list. It comes back when the same is tried
// again. The error is store.ErrNotFound, store.ErrUnavailable or ErrNotAudited.
func (s *Service) Dismiss(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	return s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.DeleteRejection(ctx, id); err != nil {
			return fmt.Errorf("dismiss rejection: %w", err)
		}
		// Within, so that what is not in the trail is not done.
		return s.announce(ctx, audit.Event{Detail: "dismiss the refused registration " + id})
	})
}

// announce writes durably what an operator is about to do.
func (s *Service) announce(ctx context.Context, e audit.Event) error {
	e.Name, e.Durable = audit.AdminAction, true
	return s.record(ctx, e)
}

func (s *Service) record(ctx context.Context, e audit.Event) error {
	e.Time, e.RequestID, e.ClientIP = s.cfg.Clock.Now(), httpx.RequestID(ctx), httpx.ClientIP(ctx)
	if err := s.cfg.Audit.Record(ctx, e); err != nil {
		s.cfg.Log.ErrorContext(ctx, "what an operator did could not be audited", "event", e.Name, "client_id", e.ClientID, "error", err)
		return fmt.Errorf("%w: %w", ErrNotAudited, err)
	}
	return nil
}
