--- coir.compat.cumulus.mail: the queue of mails that `sendMail` fills, and the fiber that empties
--- it.
---
--- The fiber lives while mails are queued. It sends all of them in one session, and each mail fails
--- by itself.
local base = require 'coir.compat.base'

local mail = {}

local queue = {}
local working = false

--- What makes a mail impossible to send whatever the server says; fills in the addresses otherwise.
--- @return string? problem
local function prepare(letter)
  local loaded, problem = pcall(require, 'socket.smtp')
  if not loaded then return 'sendMail needs LuaSocket: ' .. base.show(problem):match '[^\n]*' end
  local message = require 'coir.compat.cumulus.message'
  if letter.recipients.n == 0 then return 'No recipient' end
  letter.from, problem = message.address(letter.sender)
  if problem then return problem end
  letter.to = {}
  for i = 1, letter.recipients.n do
    letter.to[i], problem = message.address(letter.recipients[i])
    if problem then return problem end
  end
  letter.text = message.text(letter)
end

local function server_of(letter)
  local smtp = letter.cumulus.configs.smtp or {}
  return { host = smtp.host or 'localhost', port = smtp.port or 25, timeout = smtp.timeout or 60 }
end

--- Sends one mail in the session given, or in a new one.
--- @return table? session for the next mail
--- @return string? problem
local function deliver(session, letter)
  local problem = prepare(letter)
  if problem then return session, problem end
  local server = server_of(letter)
  if session and (session.host ~= server.host or session.port ~= server.port) then
    session:close()
    session = nil
  end
  local _, untouched
  if session then
    _, problem, untouched = session:send(letter)
    if untouched then session = session:close() end
  end
  if not session then
    session, problem = require('coir.compat.cumulus.session').open(server)
    if not session then return nil, problem end
    _, problem = session:send(letter)
  end
  if session.broken then session = session:close() end
  return session, problem
end

--- Sends all that is queued. When the fiber is cancelled, the next mail starts another.
local function work()
  local _ <close> = setmetatable({}, { __close = function() working = false end })
  local session
  while #queue > 0 do
    local letter = table.remove(queue, 1)
    local ok, next_session, problem = xpcall(deliver, debug.traceback, session, letter)
    session = ok and next_session or nil
    if not ok then problem = base.show(next_session) end
    base.spawn('mail', base.fire, letter.mail, 'onSent', letter.mail, problem)
    if #queue == 0 and session then session = session:close() end
  end
end

--- Queues a mail.
--- @return table mail
function mail.send(cumulus, sender, subject, content, ...)
  local letter = {
    cumulus = cumulus, sender = sender,
    subject = base.show(subject or ''), content = base.show(content or ''),
    recipients = table.pack(...), mail = {},
  }
  queue[#queue + 1] = letter
  if not working then
    working = true
    base.spawn('mails', work)
  end
  return letter.mail
end

return mail
