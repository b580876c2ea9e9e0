--- coir.compat.cumulus.session: one connection to a mail server, by LuaSocket's `socket.smtp`.
local fiber = require 'coir.fiber'

local session = {}

-- -- A connection whose every reply has a deadline ------------------------------------------------

local Connection = {}
Connection.__index = Connection

--- Called by `socket.tp` with the timeout for what follows.
function Connection:settimeout(seconds) self.timeout = seconds end

--- From now on there are so many seconds for the reply.
local function allow(self)
  self.deadline = fiber.clock() + self.timeout
  self.c:settimeout(self.timeout, 't')
end

function Connection:connect(host, port)
  allow(self)
  local ok, problem = self.c:connect(host, port)
  allow(self)
  return ok, problem
end

function Connection:send(data, first, last)
  allow(self)
  local n, problem, sent = self.c:send(data, first, last)
  allow(self)
  return n, problem, sent
end

--- A reply may have many lines, but all together have one deadline.
function Connection:receive(pattern)
  local left = self.deadline - fiber.clock()
  if left <= 0 then return nil, 'timeout' end
  self.c:settimeout(left, 't')
  return self.c:receive(pattern)
end

function Connection:getsockname() return self.c:getsockname() end

function Connection:getfd() return self.c:getfd() end

function Connection:dirty() return self.c:dirty() end

function Connection:close() return self.c:close() end

-- -- The session ----------------------------------------------------------------------------------

local Session = {}
Session.__index = Session

--- A failure: what was refused with which reply, or what happened to the connection, which is then
--- useless.
local function failure(self, what, reply)
  if reply:find '^%d%d%d' then
    if reply:find '^421' then self.broken = true end
    return nil, what .. ': ' .. reply:gsub('%s*\n%s*', ' ')
  end
  self.broken = true
  return nil, ('%s (check %s:%s SMTP server configurations)'):format(reply, self.host, self.port)
end

--- One of the methods of LuaSocket's session.
local function step(self, what, method, ...)
  local ok, reply = self.socket.protect(self.smtp[method])(self.smtp, ...)
  if ok then return true end
  return failure(self, what, reply)
end

local function command(self, what, name, argument)
  local ok, reply = self.smtp.tp:command(name, argument)
  if ok then ok, reply = self.smtp.tp:check '2..' end
  if ok then return true end
  return failure(self, what, reply)
end

--- What this machine calls itself: its address.
local function own_name(c)
  local ip = c:getsockname() or '127.0.0.1'
  return ip:find(':', 1, true) and ('[IPv6:%s]'):format(ip) or ('[%s]'):format(ip)
end

local function greet(self, name)
  local ok, reply = self.smtp.tp:check '2..'
  if not ok then return failure(self, 'The mail service is unavailable', reply) end
  ok, reply = command(self, 'The server rejected the greeting', 'EHLO', name)
  if ok or self.broken then return ok, reply end
  return command(self, 'The server rejected the greeting', 'HELO', name)
end

--- Connects and greets.
--- @param server table `host`, `port`, `timeout` (seconds for the connection and for each reply)
--- @return table? session
--- @return string? message
function session.open(server)
  local socket, smtp = require 'socket', require 'socket.smtp'
  local self = setmetatable({ host = server.host, port = server.port, socket = socket, sent = 0 },
    Session)
  local default = smtp.TIMEOUT
  smtp.TIMEOUT = server.timeout -- read by `open` before it calls this:
  local function create()
    smtp.TIMEOUT = default
    local c, problem = socket.tcp()
    return c and setmetatable({ c = c }, Connection), problem
  end
  local opened, problem = socket.protect(smtp.open)(server.host, server.port, create)
  if not opened then return failure(self, '', problem) end
  opened.try = socket.newtry() -- a refusal shall not close the connection
  self.smtp = opened
  local ok, message = greet(self, own_name(opened.tp.c))
  if ok then return self end
  self:close()
  return nil, message
end

--- Sends one mail to all its recipients, or to none.
--- @param mail table `from`, `to`, `text`
--- @return boolean? ok
--- @return string? message
--- @return boolean? untouched whether the server had closed before it saw anything of this mail
function Session:send(mail)
  if self.sent > 0 then command(self, '', 'RSET') end
  local ok, problem = not self.broken, nil
  if ok then
    local from = '<' .. mail.from .. '>'
    ok, problem = step(self, 'Sender rejected: ' .. from, 'mail', from)
  end
  if self.broken and self.sent > 0 then return nil, problem, true end
  self.sent = self.sent + 1
  if not ok then return nil, problem end
  local refused = {}
  for _, address in ipairs(mail.to) do
    local to = '<' .. address .. '>'
    ok, problem = step(self, 'Recipient rejected: ' .. to, 'rcpt', to)
    if not ok then refused[#refused + 1] = problem end
    if self.broken then break end
  end
  if #refused > 0 then return nil, table.concat(refused, '; ') end
  local ltn12, mime = require 'ltn12', require 'mime'
  return step(self, 'The server rejected the message', 'data',
    ltn12.source.chain(ltn12.source.string(mail.text), mime.stuff()))
end

--- Says good-bye, if the server listens, and closes.
function Session:close()
  if not self.broken then step(self, '', 'quit') end
  self.smtp:close()
end

return session
