--- coir.compat.netnet.native: TINN's NativeSocket, with the names of both its generations.
---
--- `receive` and `Receive` are the same method; only `accept` (a raw descriptor) and `Accept` (a
--- socket) differ. Where the article's object has a code, 0 for success, these return `true` or
--- `false, code`.
local constants = require 'coir.compat.netnet.constants'
local ffi = require 'coir.compat.netnet.ffi'
local fiber = require 'coir.fiber'
local netnet = require 'coir.compat.netnet'
local socket = require 'coir.socket'

local Socket = netnet.Socket
local NativeSocket = { __name = 'NativeSocket' }
NativeSocket.__index = NativeSocket

local function result(code)
  if code == 0 then return true end
  return false, code
end

local function value_or_false(value, code)
  if value == nil then return false, code end
  return value
end

local function adopt(native, autoclose)
  return setmetatable({ native = native, Socket = native:fd(), autoclose = autoclose or false,
                        since = fiber.clock() }, NativeSocket)
end

-- -- Making ---------------------------------------------------------------------------------------

--- A socket object of a descriptor, as `accept` returns it; from then on the object owns it.
function NativeSocket:init(fd, autoclose)
  local native, _, code = socket.from_fd(fd)
  if not native then return nil, code end
  return adopt(native, autoclose)
end

--- @param family? integer `AF_INET` without it
--- @param socktype? integer `SOCK_STREAM` without it
--- @param protocol? integer
--- @return table? socket
--- @return integer? code
function NativeSocket:create(family, socktype, protocol, autoclose)
  family, socktype = family or constants.AF_INET, socktype or constants.SOCK_STREAM
  local native, _, code = socket(family, socktype, protocol or 0)
  if not native then return nil, code end
  return adopt(native, autoclose)
end

--- A socket that is connected to a host.
function NativeSocket:createClient(host, port)
  local sock, code = netnet.CreateTcpClientSocket(host, port)
  if not sock then return nil, code end
  return adopt(sock.native)
end

--- A listening socket, from `{port = 80, backlog = 15, nonblocking = false, nodelay = false,
--- autoclose = false}`.
function NativeSocket:createServer(options)
  options = options or {}
  local sock, code = netnet.CreateTcpServerSocket {
    port = options.port, backlog = options.backlog, nonblocking = options.nonblocking,
    nodelay = options.nodelay,
  }
  if not sock then return nil, code end
  return adopt(sock.native, options.autoclose)
end

-- -- What it is -----------------------------------------------------------------------------------

function NativeSocket:getNativeSocket() return self.Socket end

function NativeSocket:getNativeHandle() return self.Socket end

--- Kept as a field: an object that nobody has any more is closed in any case.
function NativeSocket:setAutoClose(autoclose)
  self.autoclose = autoclose or false
  return self
end

--- Seconds since the connection was made, -1 without one.
function NativeSocket:getConnectionTime()
  if not self:isConnected() then return -1 end
  return (fiber.clock() - self.since) // 1 | 0
end

function NativeSocket:isConnected()
  return self.native ~= nil and self.native:peer() ~= nil
end

--- The error that is pending on the socket, 0 if none is.
function NativeSocket:getLastError()
  if not self.native then return constants.WSAEBADF end
  return self.native:getsockopt('SOL_SOCKET', 'SO_ERROR')
end

-- -- Options --------------------------------------------------------------------------------------

local function option(self, level, name, value)
  return result(Socket.SetOption(self, level, name, value))
end

function NativeSocket:setNoDelay(on)
  return option(self, constants.IPPROTO_TCP, constants.TCP_NODELAY, on and 1 or 0)
end

function NativeSocket:setReuseAddress(on)
  return option(self, constants.SOL_SOCKET, constants.SO_REUSEADDR, on and 1 or 0)
end

--- Nobody else may bind the port: that is so wherever SO_REUSEADDR is not set.
function NativeSocket:setExclusiveAddress(on)
  return self:setReuseAddress(not on)
end

function NativeSocket:setNonBlocking(on) return result(Socket.SetNonBlocking(self, on or false)) end

local function seconds(milliseconds) return math.max(1, (milliseconds + 999) // 1000 | 0) end

--- @param on boolean
--- @param timeout? number milliseconds of silence before the first probe, 120000 without it
--- @param interval? number milliseconds between probes, 1000 without it; both are rounded up to
---   seconds
function NativeSocket:setKeepAlive(on, timeout, interval)
  local ok, code = option(self, constants.SOL_SOCKET, constants.SO_KEEPALIVE, on and 1 or 0)
  if not ok or not on then return ok, code end
  for name, time in pairs { TCP_KEEPIDLE = timeout or 120000, TCP_KEEPINTVL = interval or 1000 } do
    ok, code = option(self, 'tcp', name, seconds(time))
    if not ok then return false, code end
  end
  return true
end

-- -- Connecting and listening ---------------------------------------------------------------------

--- @param address table as CreateSocketAddress makes it
function NativeSocket:connectTo(address)
  self.Address, self.since = address, fiber.clock()
  return result(Socket.Connect(self))
end

function NativeSocket:bind(address)
  if not self.native then return false, constants.WSAEBADF end
  local ok, _, code = self.native:bind(address:GetAddressString(), address:GetPort())
  return ok, code
end

function NativeSocket:bindToPort(port) return result(Socket.BindToPort(self, port)) end

function NativeSocket:getLocalPort() return value_or_false(Socket.GetLocalPort(self)) end

function NativeSocket:makePassive(backlog)
  Socket.StartListening(self, backlog)
  if self.Listening then return true end
  return false, self.native and self.native:errno() or constants.WSAEBADF
end

--- Waits for a connection.
--- @return integer|boolean fd for `init`; false when it fails
--- @return integer|string? code
function NativeSocket:accept()
  local sock, code = Socket.Accept(self)
  if not sock then return false, code end
  return sock.native:detach()
end

function NativeSocket:closeDown() return result(Socket.CloseDown(self)) end

function NativeSocket:forceClose() return result(Socket.Close(self)) end

--- @param how? integer `SD_SEND` without it
function NativeSocket:shutdown(how)
  if not self.native then return false, constants.WSAEBADF end
  local ok, _, code = self.native:shutdown(how or constants.SD_SEND)
  return ok, code
end

function NativeSocket:shutdownReceive() return self:shutdown(constants.SD_RECEIVE) end

function NativeSocket:shutdownSend() return self:shutdown(constants.SD_SEND) end

-- -- Data -----------------------------------------------------------------------------------------

--- @return integer|boolean n bytes received, 0 at the end; false when it fails
--- @return integer|string? code
function NativeSocket:receive(buffer, length)
  return value_or_false(Socket.Receive(self, buffer, length))
end

--- @return integer|boolean n bytes sent; false when it fails
--- @return integer|string? code
function NativeSocket:send(buffer, length)
  return value_or_false(Socket.Send(self, buffer, length))
end

--- Sends a datagram to an address. Its size is not looked at.
function NativeSocket:sendTo(address, _, buffer, length)
  if address == nil then return false end
  if not self.native then return false, constants.WSAEBADF end
  local data = ffi.string(buffer, length or type(buffer) == 'table' and ffi.sizeof(buffer) or nil)
  local n, _, code = self.native:sendto(address:GetAddressString(), address:GetPort(), data)
  return value_or_false(n, code)
end

--- Receives a datagram, and fills in where it is from.
--- @param address table an address that is changed
function NativeSocket:receiveFrom(address, _, buffer, length)
  if not self.native then return false, constants.WSAEBADF end
  local size = ffi.sizeof(buffer)
  local data, from, code = self.native:recvfrom(math.min(length or size, size))
  if not data then return false, code end
  address:SetAddressFromString(from.host)
  address:SetPort(from.port)
  ffi.copy(buffer, data, #data)
  return #data
end

function NativeSocket:getBytesPendingReceive()
  return value_or_false(Socket.GetBytesPendingReceive(self))
end

local function ready(self, wanted)
  if not self.native then return false, constants.WSAEBADF end
  if self.native[wanted](self.native, 0) then return true end
  return false, constants.WSAEWOULDBLOCK
end

--- @return boolean whether there is something to receive
--- @return string? code 'wouldblock'
function NativeSocket:canReadWithoutBlocking() return ready(self, 'readable') end

--- @return boolean whether something can be sent
--- @return string? code 'wouldblock'
function NativeSocket:canWriteWithoutBlocking() return ready(self, 'writable') end

-- -- The names of the first generation ------------------------------------------------------------

local capitalised = {}
for name, method in pairs(NativeSocket) do
  if type(method) == 'function' then
    capitalised[(name:gsub('^%l', string.upper))] = method
  end
end
for name, method in pairs(capitalised) do NativeSocket[name] = method end

--- Waits for a connection.
--- @return table|boolean socket false when it fails
--- @return integer|string? code
function NativeSocket:Accept()
  local sock, code = Socket.Accept(self)
  if not sock then return false, code end
  return adopt(sock.native)
end

return setmetatable(NativeSocket, {
  __call = function(class, first, ...)
    -- `NativeSocket(handle)` of the first generation, `NativeSocket(family, type)` of the second.
    if select('#', ...) == 0 and first and first > constants.AF_INET6 then return class:init(first) end
    return class:create(first, ...)
  end,
})
