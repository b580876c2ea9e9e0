--- udp.lua: udp{unconnected} and udp{connected}.
local addresses = require 'coir.luasocket.addresses'
local core = require 'coir.luasocket.core'
local errno = require 'coir.errno'
local object = require 'coir.luasocket.object'
local options = require 'coir.luasocket.options'
local tcp = require 'coir.luasocket.tcp'

local udp = { datagram_size = 8192 }

local methods = {}
local check = object.check

object.add_methods(methods, 'udp{any}')
options.add_methods(methods, 'udp{any}', {
  get = [[
    dontroute broadcast reuseaddr reuseport ip-multicast-if ip-multicast-loop error
    ipv6-unicast-hops ipv6-multicast-hops ipv6-multicast-loop ipv6-v6only recv-buffer-size
    send-buffer-size
  ]],
  set = [[
    dontroute broadcast reuseaddr reuseport ip-multicast-if ip-multicast-ttl ip-multicast-loop
    ip-add-membership ip-drop-membership ipv6-unicast-hops ipv6-multicast-hops
    ipv6-multicast-loop ipv6-add-membership ipv6-drop-membership ipv6-v6only recv-buffer-size
    send-buffer-size
  ]],
})
local Connected, Unconnected

-- -- Datagrams, also of Unix sockets --------------------------------------------------------------

--- A datagram that is refused is `refused` when nobody but the socket itself is to blame.
local function failure(self, code)
  if code == errno.EPIPE or not self.s then return nil, 'refused' end
  return object.failure(self, code)
end

--- Calls a method of the socket that sends or receives one datagram, within the object's timeouts.
function udp.transfer(self, wait, name, ...)
  local s = self.s
  if self.both then return object.retry(self, wait, s[name], s, ...) end
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = self.timeout
  return s[name](s, table.unpack(arguments, 1, arguments.n + 1))
end

--- receive() for UDP and Unix datagrams. Without a socket there is an empty one, as in LuaSocket.
function udp.receive(self, size)
  if not self.s then return '' end
  local data, _, code = udp.transfer(self, 'readable', 'recv', size, nil)
  if not data then return failure(self, code) end
  return data
end

--- send() and sendto() for UDP and Unix datagrams; `...` is what the socket's method takes.
function udp.send(self, name, ...)
  if not self.s then return nil, 'refused' end
  local sent, _, code = udp.transfer(self, 'writable', name, ...)
  if not sent then return failure(self, code) end
  return sent + 0.0
end

-- -- Methods --------------------------------------------------------------------------------------

function methods.receive(self, size)
  check(self, 'udp{any}')
  size = object.check_integer(size, 2, udp.datagram_size)
  return udp.receive(self, size)
end

function methods.receivefrom(self, size)
  check(self, 'udp{unconnected}')
  size = object.check_integer(size, 2, udp.datagram_size)
  if not self.s then return nil, 'ai_family not supported' end
  local data, from, code = udp.transfer(self, 'readable', 'recvfrom', size, nil)
  if not data then return failure(self, code) end
  return data, from.host, from.port
end

function methods.send(self, data)
  check(self, 'udp{connected}')
  data = object.check_string(data, 2)
  return udp.send(self, 'send', data, nil)
end

function methods.sendto(self, data, host, port)
  check(self, 'udp{unconnected}')
  data, host = object.check_string(data, 2), object.check_string(host, 3)
  port = object.check_string(port, 4)
  local family = core.numeric(host)
  if not family then return nil, 'Name or service not known' end
  if self.family and self.family ~= family then
    return nil, 'Address family for hostname not supported'
  end
  if not addresses.port(port) then return nil, 'Name or service not known' end
  if not self.family and not self.s then
    local s, problem = object.new_socket(addresses.domains[family], 'SOCK_DGRAM')
    if not s then return nil, problem end
    self.s, self.family = s, family
  end
  return udp.send(self, 'sendto', host, port, data, nil)
end

--- `*` as host ends the connection.
function methods.setpeername(self, host, port)
  check(self, 'udp{any}')
  host = object.check_string(host, 2)
  if host == '*' then
    if self.s then core.disconnect(self.s) end
    setmetatable(self, Unconnected)
    return 1.0
  end
  port = object.check_string(port, 3)
  local problem = tcp.connect_to(self, host, port)
  if problem then return nil, problem end
  setmetatable(self, Connected)
  return 1.0
end

function methods.setsockname(self, host, port)
  check(self, 'udp{unconnected}')
  host, port = object.check_string(host, 2), object.check_string(port, 3)
  local problem = tcp.bind_to(self, host, port)
  if problem then return nil, problem end
  return 1.0
end

function methods.getsockname(self)
  check(self, 'udp{any}')
  return tcp.name(self, 'name', tostring)
end

function methods.getpeername(self)
  check(self, 'udp{connected}')
  return tcp.name(self, 'peer', math.tointeger)
end

function methods.getfamily(self)
  check(self, 'udp{any}')
  return self.family == 'inet6' and 'inet6' or 'inet4'
end

Unconnected, Connected =
  object.classes('udp{any}', { 'udp{unconnected}', 'udp{connected}' }, methods)

--- @param family? string `inet` or `inet6`; without it the first address decides
function udp.new(family)
  local s, problem
  if family then
    s, problem = object.new_socket(addresses.domains[family], 'SOCK_DGRAM')
    if not s then return nil, problem end
  end
  return object.new(Unconnected, { s = s, family = family, kind = 'SOCK_DGRAM' })
end

return udp
