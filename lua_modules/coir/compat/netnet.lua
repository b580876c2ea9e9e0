--- coir.compat.netnet: the socket object of the article "NetNet", for scripts that were written
--- with it.
---
--- A blocking call parks the calling fiber only. A non-blocking one that would block returns
--- `nil, 'wouldblock'` after it has let the others run, so that polling loops starve nobody. Errors
--- are errno numbers. `coir -l coir.compat.netnet script.lua` installs the names as globals.
local address = require 'coir.compat.netnet.address'
local base = require 'coir.compat.base'
local constants = require 'coir.compat.netnet.constants'
local errno = require 'coir.errno'
local ffi = require 'coir.compat.netnet.ffi'
local fiber = require 'coir.fiber'
local lua51 = require 'coir.compat.lua51'
local socket = require 'coir.socket'

-- -- Calls of the native socket -------------------------------------------------------------------

local would_block = {
  [errno.EAGAIN] = true, [errno.EWOULDBLOCK] = true,
  [errno.EINPROGRESS] = true, [errno.EALREADY] = true,
}

--- What a script sees of an error. One that says "not now" lets the others run first.
local function error_of(code)
  if not would_block[code] then return code end
  fiber.yield()
  return 'wouldblock'
end

local function outcome(self, ok, value, message, code, ...)
  if ok then return value, message, code, ... end
  if self.native then error(value, 0) end
  return nil, 'closed', errno.EBADF
end

--- Calls a method of the native socket. On one that is closed, now or while it waits, that fails
--- with EBADF.
local function call(self, method, ...)
  local native = self.native
  if not native then return nil, 'closed', errno.EBADF end
  return outcome(self, pcall(native[method], native, ...))
end

--- The same for a method of which only success counts.
--- @return integer|string code 0 when it succeeded
local function code_of(self, method, ...)
  local ok, _, code = call(self, method, ...)
  return ok and 0 or error_of(code)
end

-- -- The socket -----------------------------------------------------------------------------------

local Socket = { __name = 'TCP_SOCKET' }
Socket.__index = Socket

local function wrap(native, where, listening)
  return setmetatable({ native = native, Socket = native:fd(), Address = where,
                        Listening = listening or false }, Socket)
end

--- The number in a buffer, or a plain value.
local function option_value(value)
  return ffi.is_buffer(value) and value[0] or value
end

--- Sets a socket option.
--- @param level integer `SOL_SOCKET` or `IPPROTO_TCP`
--- @param name integer
--- @param value any a buffer that holds a number, a number, or a boolean; for `SO_LINGER` a buffer
---   of two numbers
--- @return integer code 0 when it succeeded
function Socket:SetOption(level, name, value)
  if not self.native then return errno.EBADF end
  if level == constants.SOL_SOCKET and name == constants.SO_LINGER and ffi.is_buffer(value) then
    return code_of(self, 'linger', value[0] ~= 0, value[1])
  end
  local native = self.native
  local known, ok, _, code = pcall(native.setsockopt, native, level, name, option_value(value))
  if not known then return errno.ENOPROTOOPT end
  return ok and 0 or code
end

function Socket:SetReuseAddress(reuse)
  return self:SetOption(constants.SOL_SOCKET, constants.SO_REUSEADDR, reuse and 1 or 0)
end

--- Only `false` makes the socket blocking.
function Socket:SetNonBlocking(nonblocking)
  if not self.native then return errno.EBADF end
  self.native:nonblock(nonblocking ~= false)
  return 0
end

--- How many bytes can be received at once.
--- @return integer? count
--- @return integer? code
function Socket:GetBytesPendingReceive()
  if not self.native then return nil, errno.EBADF end
  local immediate = self.native:nonblock()
  self.native:nonblock(true)
  local size = 65536
  local data, _, code = self.native:recv(size, 'MSG_PEEK')
  while data and #data == size do
    size = size * 4
    data, _, code = self.native:recv(size, 'MSG_PEEK')
  end
  self.native:nonblock(immediate)
  if data then return #data end
  if would_block[code] then return 0 end
  return nil, code
end

--- A connection that waits, or that comes. It is non-blocking if the listener is.
--- @return table? socket
--- @return integer|string? code
function Socket:Accept()
  local native, _, code = call(self, 'accept')
  if not native then return nil, error_of(code) end
  return wrap(native)
end

--- Binds to a port of all addresses.
--- @param port integer 0 for any free one, which `GetLocalPort` tells
--- @param family? integer `AF_INET` without it
--- @return integer code 0 when it succeeded
function Socket:BindToPort(port, family)
  return code_of(self, 'bind', address.CreateIPV4WildcardAddress(family, 0).host, port)
end

--- The local port; not in the article, for listeners on port 0.
function Socket:GetLocalPort()
  local name, _, code = call(self, 'name')
  if not name then return nil, code end
  return name.port
end

--- @return integer code 0 when it succeeded; not 0 when it was closed already
function Socket:Close()
  local native = self.native
  if not native then return errno.EBADF end
  self.native = nil
  local ok, _, code = native:close()
  return ok and 0 or code
end

--- Shuts both directions down and closes, the latter in any case.
--- @return integer code 0 when both succeeded
function Socket:CloseDown()
  local failed = code_of(self, 'shutdown', constants.SD_BOTH)
  local code = Socket.Close(self)
  return failed ~= 0 and failed or code
end

--- Connects to `self.Address`. On a socket that is connected there already it succeeds.
--- @return integer|string code 0 when it succeeded
function Socket:Connect()
  local where = self.Address
  if not where then return errno.EDESTADDRREQ end
  if call(self, 'peer') then
    return self.target and self.target:Equal(where) and 0 or errno.EISCONN
  end
  local ok, _, code = call(self, 'sysconnect', where:GetAddressString(), where:GetPort())
  if ok or would_block[code] then self.target = where:Clone() end
  return ok and 0 or error_of(code)
end

local function listen(self, backlog)
  local code = code_of(self, 'listen', backlog or 5)
  self.Listening = code == 0
  return code
end

--- Makes the socket accept connections; `Listening` tells whether it does.
--- @param backlog? integer 5 without it
function Socket:StartListening(backlog) listen(self, backlog) end

--- Receives what there is into a buffer, waiting for it if the socket is blocking.
--- @param buffer table of `netnet.ffi`
--- @param length? integer the most bytes; never more than the buffer holds
--- @return integer? n 0 at the end of the stream
--- @return integer|string? code
function Socket:Receive(buffer, length)
  local size = ffi.sizeof(buffer)
  local data, _, code = call(self, 'recv', math.min(length or size, size))
  if not data then return nil, error_of(code) end
  ffi.copy(buffer, data, #data)
  return #data
end

--- Sends from a buffer or a string, all of it if the socket is blocking.
--- @param buffer table|string
--- @param length? integer bytes; all without it
--- @return integer? n perhaps fewer
--- @return integer|string? code
function Socket:Send(buffer, length)
  length = tonumber(length) or ffi.is_buffer(buffer) and ffi.sizeof(buffer) or nil
  local data = ffi.string(buffer, length)
  if not self.native then return nil, errno.EBADF end
  local method = self.native:nonblock() and 'send' or 'write'
  local n, _, code, written = call(self, method, data)
  if n then return n end
  if written and written > 0 then return written end
  return nil, error_of(code)
end

-- -- Making sockets -------------------------------------------------------------------------------

--- `TCP_SOCKET(address, fd, listening)` makes a socket object of an open descriptor, which it then
--- owns.
local TCP_SOCKET = setmetatable({}, {
  __call = function(_, where, fd, listening)
    local native, _, code = socket.from_fd(fd)
    if not native then return nil, code end
    return wrap(native, where, listening)
  end,
})

local netnet = { ffi = ffi, TCP_SOCKET = TCP_SOCKET, Socket = Socket }
for name, value in pairs(constants) do netnet[name] = value end
for _, name in ipairs { 'CreateSocketAddress', 'CreateIPV4Address', 'CreateIPV6Address',
                        'CreateIPV4WildcardAddress' } do
  netnet[name] = address[name]
end

local function create(family)
  local native, _, code = socket(family, 'SOCK_STREAM', 'tcp')
  if not native then return nil, code end
  return wrap(native)
end

--- A socket that is neither bound nor connected, for IPv4.
--- @return table? socket
--- @return integer? code
function netnet.CreateTcpSocket() return create('AF_INET') end

--- A listening socket.
--- @param port integer|table the port, or `{port = 80, backlog = 15, nonblocking = false, nodelay =
---   false}`
--- @param backlog? integer 5 without it
--- @return table? socket
--- @return integer? code
function netnet.CreateTcpServerSocket(port, backlog)
  local options = type(port) == 'table' and port or { port = port, backlog = backlog or 5 }
  local sock, code = netnet.CreateTcpSocket()
  if not sock then return nil, code end
  sock:SetReuseAddress(true)
  if options.nodelay then sock:SetOption(constants.IPPROTO_TCP, constants.TCP_NODELAY, 1) end
  code = sock:BindToPort(options.port or 80)
  if code == 0 then code = listen(sock, options.backlog or 15) end
  if code ~= 0 then
    sock:Close()
    return nil, code
  end
  sock:SetNonBlocking(options.nonblocking or false)
  return sock
end

--- A socket that is connected to a host.
--- @param host string a name or a numeric address
--- @param port integer|string
--- @return table? socket
--- @return integer? code
function netnet.CreateTcpClientSocket(host, port)
  local where, code = address.CreateSocketAddress(host, port)
  if not where then return nil, code end
  local sock
  sock, code = create(where:FamilyName())
  if not sock then return nil, code end
  sock.Address = where
  code = sock:Connect()
  if code == 0 then return sock end
  sock:Close()
  return nil, code
end

--- @param code integer|string as the functions here return it
--- @return string text
function netnet.GetSocketErrorString(code)
  if code == 'wouldblock' then code = errno.EAGAIN end
  return errno.strerror(math.tointeger(code) or errno.EINVAL)
end

--- Sets the globals of the article and what Lua 5.1 had, and lets `require 'ffi'` find the buffers.
--- @param env? table instead of `_G`
function netnet.install(env)
  env = env or _G
  for name, value in pairs(netnet) do
    if name ~= 'install' and name ~= 'ffi' and name ~= 'Socket' then env[name] = value end
  end
  package.loaded.ffi = package.loaded.ffi or ffi
  lua51.install(env)
end

return base.export_loggers(netnet)
