--- coir.compat.netnet.tinn: what NetNet became: TINN's NativeSocket, NetStream, SocketServer,
--- CoSocketIo and Application. `coir -l coir.compat.netnet.tinn script.lua` lets `require` find
--- them under TINN's names and sets the globals of `Application` and of NetNet.
local base = require 'coir.compat.base'
local ffi = require 'coir.compat.netnet.ffi'
local fiber = require 'coir.fiber'
local netnet = require 'coir.compat.netnet'

local tinn = {
  Application = require 'coir.compat.netnet.application',
  NativeSocket = require 'coir.compat.netnet.native',
  NetStream = require 'coir.compat.netnet.stream',
  SocketUtils = netnet,
  WinSock_Utils = netnet,
}

-- -- SocketServer ---------------------------------------------------------------------------------

local SocketServer = { __name = 'SocketServer' }
SocketServer.__index = SocketServer
setmetatable(SocketServer, { __call = function(class, ...) return class:create(...) end })
tinn.SocketServer = SocketServer

--- @param port? integer 9090 without it
--- @param on_accept? fun(fd: integer) gets a descriptor for `NativeSocket:init`, in a task of its
---   own
--- @return table? server
--- @return integer? code
function SocketServer:create(port, on_accept)
  local listener, code = tinn.NativeSocket:createServer { port = port or 9090, backlog = 150 }
  if not listener then return nil, code end
  return setmetatable({ ServerSocket = listener, OnAccept = on_accept }, SocketServer)
end

--- Called with each descriptor; closes it when there is no handler.
function SocketServer:handleAccepted(fd)
  if self.OnAccept then return tinn.Application:coop(self.OnAccept, fd) end
  tinn.NativeSocket:init(fd):forceClose()
end

--- Accepts until the listener is closed.
function SocketServer:loop()
  while self.ServerSocket.native do
    local fd, code = self.ServerSocket:accept()
    if fd then
      self:handleAccepted(fd)
    elseif self.ServerSocket.native then
      base.log.ERROR('accept: ', netnet.GetSocketErrorString(code))
      fiber.sleep(0.1) -- descriptors have run out, most likely
    end
  end
end

--- Accepts connections until the application is stopped.
function SocketServer:run()
  tinn.Application:run(self.loop, self)
end

-- -- CoSocketIo -----------------------------------------------------------------------------------
-- Whole transfers on sockets in either mode: while one would block, the fiber waits.

local CoSocketIo = {}
tinn.CoSocketIo = CoSocketIo

--- Calls a method of the socket until it is no matter of waiting any more.
local function insist(sock, method, wait, ...)
  while true do
    local value, code = sock[method](sock, ...)
    if value then return value end
    if code ~= 'wouldblock' then return nil, code end
    sock.native[wait](sock.native)
  end
end

function CoSocketIo.Accept(sock) return insist(sock, 'Accept', 'readable') end

--- @return integer? n fewer than `size` only at the end; nil when there are none
--- @return integer|string? code 'eof' at the end
function CoSocketIo.ReadN(sock, buffer, size)
  local left, code = size, nil
  while left > 0 do
    local n
    n, code = insist(sock, 'Receive', 'readable', buffer, left)
    if not n or n == 0 then break end
    left, buffer = left - n, buffer + n
  end
  if left == size and size > 0 then return nil, code or 'eof' end
  return size - left
end

--- Reads a line into the buffer: `\n` ends it, every `\r` is dropped.
--- @return integer? n bytes of the line; 0 also at the end
--- @return integer|string? code
function CoSocketIo.ReadLine(sock, buffer, size)
  local one, n = ffi.new('uint8_t[1]'), 0
  while n < size do
    local got, code = CoSocketIo.ReadN(sock, one, 1)
    if not got and code ~= 'eof' then return nil, code end
    if not got or one[0] == 10 then break end
    if one[0] ~= 13 then
      buffer[n] = one[0]
      n = n + 1
    end
  end
  return n
end

--- @return integer? n all of it
--- @return integer|string? code
function CoSocketIo.WriteN(sock, buffer, size)
  local data, sent = ffi.string(buffer, size), 0
  while sent < size do
    local n, code = insist(sock, 'Send', 'writable', data:sub(sent + 1))
    if not n then return nil, code end
    sent = sent + n
  end
  return sent
end

-- -- Installing -----------------------------------------------------------------------------------

--- Sets the globals, and lets `require` find the modules.
--- @param env? table instead of `_G`
function tinn.install(env)
  netnet.install(env)
  tinn.Application:exportGlobals(env)
  for name, module in pairs(tinn) do
    if name ~= 'install' then package.loaded[name] = module end
  end
end

return tinn
