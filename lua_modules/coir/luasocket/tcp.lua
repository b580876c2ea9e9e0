--- tcp.lua: tcp{master}, tcp{client} and tcp{server}.
local addresses = require 'coir.luasocket.addresses'
local errno = require 'coir.errno'
local object = require 'coir.luasocket.object'
local options = require 'coir.luasocket.options'
local stream = require 'coir.luasocket.stream'

local tcp = {}

local methods = {}
local check = object.check

object.add_methods(methods, 'tcp{any}')
stream.add_methods(methods, 'tcp{client}')
options.add_methods(methods, 'tcp{any}', {
  get = [[
    keepalive reuseaddr reuseport tcp-nodelay tcp-keepidle tcp-keepcnt tcp-keepintvl linger error
    recv-buffer-size send-buffer-size
  ]],
  set = [[
    keepalive reuseaddr reuseport tcp-nodelay tcp-keepidle tcp-keepcnt tcp-keepintvl linger
    recv-buffer-size send-buffer-size ipv6-v6only tcp-defer-accept tcp-fastopen
    tcp-fastopen-connect
  ]],
})
local Master, Client, Server

-- -- Addresses ------------------------------------------------------------------------------------

--- Gives the object a socket of the address's family, unless it has one. True when that one is new.
--- @return boolean? made
--- @return string? message
local function provide_socket(self, family, current)
  if self.s and current == family then return false end
  if self.s then self:close() end
  local s, problem = object.new_socket(addresses.domains[family], self.kind)
  if not s then return nil, problem end
  self.s = s
  return true
end

--- Tries each address of a name until `attempt(row)` succeeds or says that it is the last. It
--- returns whether it is over, and the message, if it failed.
function tcp.try_each(self, rows, attempt)
  local current, problem = self.family, nil
  for _, row in ipairs(rows) do
    local made, over
    made, problem = provide_socket(self, row.family, current)
    if made ~= nil then
      current = row.family
      over, problem = attempt(row)
      if over then
        self.family = current
        break
      end
      -- A socket that was made for an address that failed is not tried with the next.
      if made then current = nil end
    end
  end
  return problem
end

--- connect() for TCP and UDP.
function tcp.connect_to(self, host, port)
  local rows, problem = addresses.find(host, port,
    { family = self.family, kind = self.kind, timeout = self.timeout })
  if not rows then return problem end
  return tcp.try_each(self, rows, function(row)
    local code = stream.connect(self, row.host, row.port)
    if not code then return true end
    return self.timeout == 0, select(2, object.failure(self, code))
  end)
end

--- bind() for TCP and UDP. `*` is every address of this machine.
function tcp.bind_to(self, host, port)
  if host == '*' then host = self.family == 'inet6' and '::' or '0.0.0.0' end
  local rows, problem = addresses.find(host, port, { family = self.family, kind = self.kind })
  if not rows then return problem end
  return tcp.try_each(self, rows, function(row)
    local ok, _, code = self.s:bind(row.host, row.port)
    return ok, not ok and object.text(code) or nil
  end)
end

--- What getsockname and getpeername share. Their ports differ in type, as in LuaSocket.
--- @return string? host
--- @return any port or the message
--- @return string? family
function tcp.name(self, ask, show_port)
  if not self.s then return nil, object.text(errno.EBADF) end
  local address, _, code = self.s[ask](self.s)
  if not address then return nil, object.text(code) end
  return address.host, show_port(address.port), self.family or 'unspec'
end

-- -- Methods --------------------------------------------------------------------------------------

function methods.connect(self, host, port)
  check(self, 'tcp{any}')
  host, port = object.check_string(host, 2), object.check_string(port, 3)
  local problem = tcp.connect_to(self, host, port)
  setmetatable(self, Client)
  if problem then return nil, problem end
  return 1.0
end

function methods.bind(self, host, port)
  check(self, 'tcp{master}')
  host, port = object.check_string(host, 2), object.check_string(port, 3)
  local problem = tcp.bind_to(self, host, port)
  if problem then return nil, problem end
  return 1.0
end

methods.setpeername = methods.connect
methods.setsockname = methods.bind

function methods.listen(self, backlog)
  check(self, 'tcp{master}')
  backlog = object.check_integer(backlog, 2, 32)
  return stream.listen(self, backlog, Server)
end

function methods.accept(self)
  check(self, 'tcp{server}')
  return stream.accept(self, Client)
end

function methods.getsockname(self)
  check(self, 'tcp{any}')
  return tcp.name(self, 'name', tostring)
end

function methods.getpeername(self)
  check(self, 'tcp{any}')
  return tcp.name(self, 'peer', math.tointeger)
end

function methods.getfamily(self)
  check(self, 'tcp{any}')
  return self.family == 'inet6' and 'inet6' or 'inet4'
end

Master, Client, Server =
  object.classes('tcp{any}', { 'tcp{master}', 'tcp{client}', 'tcp{server}' }, methods)

-- -- Making objects -------------------------------------------------------------------------------

--- @param family? string `inet` or `inet6`; without it the first address decides
function tcp.new(family)
  local s, problem
  if family then
    s, problem = object.new_socket(addresses.domains[family], 'SOCK_STREAM')
    if not s then return nil, problem end
  end
  return stream.new(Master, { s = s, family = family, kind = 'SOCK_STREAM' })
end

local families = { unspec = false, inet = 'inet', inet6 = 'inet6' }

--- connect(host, port[, local host[, local port[, family]]])
function tcp.connect(host, port, local_host, local_port, family)
  host, port = object.check_string(host, 1), object.check_string(port, 2)
  local_port = object.check_string(local_port, 4, '0')
  family = object.check_choice(family, 5, families, 'unspec')
  local self = tcp.new(nil)
  self.family = family or nil
  local problem
  if local_host then
    local_host = object.check_string(local_host, 3)
    problem = tcp.bind_to(self, local_host, local_port)
  end
  problem = problem or tcp.connect_to(self, host, port)
  if problem then
    self:close()
    return nil, problem
  end
  return setmetatable(self, Client)
end

return tcp
