package caddymodule

import (
	"encoding/json"
	"reflect"

	"github.com/caddyserver/caddy/v2"
)

// declaredPermissions lists the permissions of the documents of all bridges.
func (a *App) declaredPermissions() []string {
	var list []string
	for _, b := range a.bridges {
		if b.declared != nil {
			list = append(list, b.declared.permissions...)
		}
	}
	return list
}

// permissionsIn lists the permissions that the bridges of the configuration
// which is being loaded declare, and false if it cannot be seen.
//
// The app is checked before its bridges are there, and `validate` ends before
// Start, so that the only way to refuse an unknown permission in time is to look
// at the configuration itself. Caddy knows it and gives apps no way to ask for
// it, so this looks into its context. Should a later Caddy keep it elsewhere,
// nothing is found and Start alone refuses; a test notices.
func permissionsIn(ctx caddy.Context) ([]string, bool) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if !config.IsValid() || config.Kind() != reflect.Pointer || config.IsNil() {
		return nil, false
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if !apps.IsValid() || apps.Kind() != reflect.Map {
		return nil, false
	}
	raw := apps.MapIndex(reflect.ValueOf("http"))
	if !raw.IsValid() { // there is no site at all
		return nil, true
	}
	if raw.Kind() != reflect.Slice || raw.Type().Elem().Kind() != reflect.Uint8 || raw.Len() == 0 {
		return nil, false
	}
	var value any
	if err := json.Unmarshal(raw.Bytes(), &value); err != nil {
		return nil, false // Caddy says what is wrong with it
	}
	return permissionsOf(value), true
}

// permissionsOf looks for handlers mcp_bridge in a configuration, at any depth.
func permissionsOf(value any) []string {
	var list []string
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			list = append(list, permissionsOf(item)...)
		}
	case map[string]any:
		if v["handler"] == "mcp_bridge" {
			return permissionsOfBridge(v)
		}
		for _, member := range v {
			list = append(list, permissionsOf(member)...)
		}
	}
	return list
}

func permissionsOfBridge(bridge map[string]any) []string {
	var list []string
	declared, _ := bridge["openapi"].(map[string]any)
	made, _ := declared["tools"].([]any)
	for _, entry := range made {
		t, _ := entry.(map[string]any)
		if name, ok := t["permission"].(string); ok {
			list = append(list, name)
		}
	}
	return list
}
