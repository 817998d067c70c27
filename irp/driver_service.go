package irp

import (
	"strings"

	"calloutsim/internal/ke"
)

// AddService makes a driver known under a name, so that ZwLoadDriver finds it; loaded is told of every driver
// object that comes of it. It is not a routine of Windows.
func (sim) AddService(m *ke.Machine, name string, entry DRIVER_INITIALIZE, loaded func(*DRIVER_OBJECT)) {
	io := state.On(m)
	for i := range io.services {
		if strings.EqualFold(io.services[i].name, name) {
			io.services[i] = service{name, entry, loaded}
			return
		}
	}
	io.services = append(io.services, service{name, entry, loaded})
}

// serviceOf finds the service a key is of, and the driver object that was made for it last, nil when there is
// none any more.
func (io *ioManager) serviceOf(key string) (*service, *DRIVER_OBJECT) {
	rest, ok := below(key, servicesKey)
	if !ok || rest == "" {
		return nil, nil
	}
	for i := range io.services {
		s := &io.services[i]
		if !strings.EqualFold(rest[1:], s.name) {
			continue
		}
		for _, d := range io.drivers {
			if !d.gone && !d.system && strings.EqualFold(d.image.Name, s.name) {
				return s, d
			}
		}
		return s, nil
	}
	return nil, nil
}

// servicesKey is the key of the registry below which every driver has one of its name.
const servicesKey = `\Registry\Machine\System\CurrentControlSet\Services`
