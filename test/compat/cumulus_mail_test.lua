-- cumulus_mail_test.lua: sendMail, with exim, which stores the mails, and with a server that
-- misbehaves.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local loggers = require 'loggers'
local loopback = require 'loopback'
local fiber = require 'fiber'
local cumulus = require 'coir.compat.cumulus'

local here = arg[0]:match('^.*/') or './'

local function use(port, timeout)
  cumulus.configs.smtp = { host = '127.0.0.1', port = port, timeout = timeout or 10 }
end

--- Sends a mail and waits for onSent. Returns the error, `'none'` without one.
local function send(...)
  local mail, channel = cumulus:sendMail(...), fiber.channel(10)
  function mail:onSent(err)
    test.ok(self == mail)
    channel:put(err or 'none')
  end
  local err = channel:get(15)
  test.settle()
  test.equal(channel:count(), 0)
  return err
end

-- -- exim ---------------------------------------------------------------------------------------------

local function shell(command)
  local pipe <close> = io.popen(command)
  return pipe:read('a')
end

local exim = { folder = shell('mktemp -d'):gsub('\n', ''):match '^%S+' }

function exim.start()
  os.execute('chmod 755 ' .. exim.folder)
  local pipe = io.popen(('exec timeout 250 python3 %smail_server.py %s 2>&1'):format(here, exim.folder))
  exim.id, exim.port = pipe:read('n', 'n')
  exim.pipe = pipe
  assert(exim.port, 'exim does not start')
end

function exim.stop()
  os.execute(('kill %d'):format(exim.id))
  exim.pipe:close()
  -- Its children may still be writing.
  test.eventually(function() return os.execute(('rm -rf %s 2>/dev/null'):format(exim.folder)) end)
end

--- Waits until a mail is stored that contains this text. Returns it.
function exim.stored(text)
  local found
  test.eventually(function()
    local file <close> = io.open(exim.folder .. '/mbox')
    local mbox = ('\n' .. (file and file:read('a') or '')):gsub('\nFrom ', '\0')
    for mail in mbox:gmatch '[^\0]+' do
      if mail:find(text, 1, true) then found = mail end
    end
    return found
  end)
  return found
end

exim.start()

test.case("the page's sample: the mail is stored", function()
  use(exim.port)
  loggers.take()
  local NOTE, ERROR = cumulus.NOTE, cumulus.ERROR
  -- Changed: addresses, where the page's web site shows [email protected], and a local.
  local mail = cumulus:sendMail("sender@test.example","Hello","Mail sent from script code","to@test.example")
  function mail:onSent(err)
    if err then ERROR(err) else NOTE("Sent") end
  end
  local lines = {}
  test.eventually(function()
    lines[#lines + 1] = loggers.take()[1]
    return #lines > 0
  end)
  test.equal(lines, { 'NOTE Sent' })
  local stored = exim.stored 'Mail sent from script code'
  test.match(stored, '\nDate: %a+, %d+ %a+ %d+ %d+:%d+:%d+ %+0000\nFrom: sender@test.example\n'
    .. 'To: <to@test.example>\nSubject: Hello\nMIME%-Version: 1.0\n')
  test.match(stored, 'envelope%-from <sender@test.example>')
end)

test.case('also with a point: cumulus.sendMail(sender, ...)', function()
  local mail, sent = cumulus.sendMail('sender@test.example', 'point', 'by a point', 'to@test.example'), false
  function mail:onSent(err) sent = err or true end
  test.equal(sent, false)
  test.eventually(function() return sent end)
  test.equal(sent, true)
  exim.stored 'Subject: point'
end)

test.case('several recipients, a name before the sender, an encoded subject, any text', function()
  local text = 'début\n.a point\n..two\r\nFrom the start\n' .. ('long '):rep(300) .. '\n= and \t end'
  test.equal(send('Zoë Example <zoe@test.example>', 'Größe — ' .. ('дом '):rep(30), text, 'a@test.example',
    '<b@test.example>'), 'none')
  local stored = exim.stored 'To: <a@test.example>,\n <b@test.example>'
  test.match(stored, '\nFrom: =%?utf%-8%?B%?[%w+/=]+%?= <zoe@test.example>\n')
  local mime = require 'mime'
  local subject = stored:match '\nSubject: (.-)\n%u':gsub('=%?utf%-8%?B%?(.-)%?=%s*', function(word)
    local piece = mime.unb64(word)
    test.ok(utf8.len(piece) and #word <= 63)
    return piece
  end)
  test.equal(subject, 'Größe — ' .. ('дом '):rep(30))
  local body = mime.unqp((stored:match '\n\n(.*)$':gsub('\n>From ', '\nFrom '):gsub('\n', '\r\n')))
  test.ok(body:gsub('\r\n', '\n'):find(text:gsub('\r\n', '\n'), 1, true) == 1)
end)

test.case('a refused recipient: the mail goes to nobody, the error names all that were refused', function()
  local err = send('me@test.example', 'partly', 'not to be stored', 'ok@test.example', 'refused@test.example',
    'x@other.example')
  test.equal(err, 'Recipient rejected: <refused@test.example>: 550 nobody of that name; '
    .. 'Recipient rejected: <x@other.example>: 550 relaying is not permitted')
end)

test.case('twenty mails are queued; the server takes only five in a connection', function()
  local sent, errors = 0, {}
  for i = 1, 20 do
    local to = i % 10 == 3 and 'refused@test.example' or 'many@test.example'
    local mail = cumulus:sendMail('me@test.example', 'queued ' .. i, 'text', to)
    function mail:onSent(err)
      sent = sent + 1
      errors[#errors + 1] = err
    end
  end
  test.eventually(function() return sent == 20 end)
  test.equal(#errors, 2)
  for _, i in ipairs { 1, 2, 4, 19, 20 } do exim.stored(('Subject: queued %d\n'):format(i)) end
end)

test.case('line breaks and control characters never reach the server', function()
  for _, wrong in ipairs { 'a@b\r\nRCPT TO:<x@test.example>', 'a@b\nX', 'a@b\0' } do
    test.match(send(wrong, 's', 'c', 'to@test.example'), 'control characters in the address')
    test.match(send('me@test.example', 's', 'c', 'to@test.example', wrong), 'control characters in the address')
  end
  for _, wrong in ipairs { '', 'a> <b', '<>', '<a@b> SIZE=5' } do
    test.match(send('me@test.example', 's', 'c', wrong), 'is no address')
  end
  test.match(send('me@test.example', 's', 'c', 5), 'must be a string')
  test.equal(send('me@test.example', 'folded\r\nBcc: x@test.example', 'text of folded', 'to@test.example'), 'none')
  test.match(exim.stored 'text of folded', '\nSubject: folded Bcc: x@test.example\n')
end)

test.case('the other end\'s name in subjects that look encoded, and long ones', function()
  test.equal(send('me@test.example', '=?utf-8?q?fake?=', 'looks encoded', 'to@test.example'), 'none')
  test.match(exim.stored 'looks encoded', '\nSubject: =%?utf%-8%?B%?')
  test.equal(send('me@test.example', ('long '):rep(400), 'long subject', 'to@test.example'), 'none')
  for line in exim.stored 'long subject':gmatch '[^\n]+' do test.ok(#line < 200) end
end)

exim.stop()

-- -- A server that misbehaves -------------------------------------------------------------------------

--- A server that answers each command with what `script` says: a reply, false to close, or a
--- function of the connection. Returns its port and the list of the commands.
local function misbehaving(script)
  local listener, port = loopback.listener()
  local commands = {}
  local function say(s, name, default)
    local reply = script[name]
    if reply == nil then reply = default end
    if type(reply) == 'function' then reply = reply(s, commands) end
    if reply == false then
      s:close()
      return false
    end
    if reply and reply ~= true then s:write(reply .. '\r\n') end
    return true
  end
  local function serve(s)
    if not say(s, 'greeting', '220 here') then return end
    for line in function() return (s:readline({ '\r\n' }) or ''):match '^(.+)\r\n$' end do
      commands[#commands + 1] = line
      local name = line:match '^%u+'
      local alive = say(s, name, name == 'DATA' and '354 go on' or '250 ok')
      if not alive then return end
      if name == 'QUIT' then return s:close() end
      if name == 'DATA' and script.DATA == nil then
        commands.text = s:read('\r\n.\r\n', 10)
        if not say(s, 'text', '250 taken') then return end
      end
    end
  end
  fiber.new(function()
    while true do fiber.new(serve, (listener:accept())) end
  end)
  return port, commands
end

local function send_to(script, timeout)
  local port, commands = misbehaving(script)
  use(port, timeout)
  return send('me@a.example', 'subject', 'text\n.dot', 'one@b.example', 'two@b.example'), commands, port
end

test.case('what is said to a server that behaves', function()
  local err, commands = send_to {}
  test.equal(err, 'none')
  test.eventually(function() return commands[#commands] == 'QUIT' end)
  test.equal({ table.unpack(commands) }, { 'EHLO [127.0.0.1]', 'MAIL FROM:<me@a.example>', 'RCPT TO:<one@b.example>',
    'RCPT TO:<two@b.example>', 'DATA', 'QUIT' })
  test.match(commands.text, '\r\n\r\ntext\r\n%.%.dot')
  test.ok(not commands.text:gsub('\r\n', ''):find '[\r\n]')
end)

test.case('a server without EHLO gets HELO', function()
  local err, commands = send_to { EHLO = '502 what?' }
  test.equal({ err, commands[2] }, { 'none', 'HELO [127.0.0.1]' })
end)

test.case('refusals carry the step and the reply', function()
  for _, case in ipairs {
    { { greeting = '554 go away' }, 'The mail service is unavailable: 554 go away' },
    { { EHLO = '502 no', HELO = '502 never' }, 'The server rejected the greeting: 502 never' },
    { { MAIL = '550 not you' }, 'Sender rejected: <me@a.example>: 550 not you' },
    { { RCPT = '550-in two\r\n550 lines' }, 'Recipient rejected: <one@b.example>: 550-in two 550 lines; '
      .. 'Recipient rejected: <two@b.example>: 550-in two 550 lines' },
    { { DATA = '451 later' }, 'The server rejected the message: 451 later' },
    { { text = '552 too much' }, 'The server rejected the message: 552 too much' },
  } do
    test.equal(send_to(case[1]), case[2])
  end
end)

test.case('a connection that ends or says nonsense is an error that names the server', function()
  for _, name in ipairs { 'greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'text' } do
    local err, _, port = send_to { [name] = false }
    test.equal({ name, err }, { name, ('closed (check 127.0.0.1:%d SMTP server configurations)'):format(port) })
    err = send_to { [name] = 'nonsense' }
    test.match(err, '^invalid server reply %(check ')
  end
end)

test.case('silence is a time-out at every step, and so is a reply that never ends', function()
  local function drip(s)
    fiber.new(function()
      while s:write('250-more\r\n') do fiber.sleep(0.005) end
    end)
    return true
  end
  for _, name in ipairs { 'greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'text' } do
    for _, behaviour in ipairs { true, drip } do
      local err = send_to({ [name] = behaviour }, 0.1)
      test.match(err, '^timeout %(check 127%.0%.0%.1:%d+ SMTP server configurations%)$')
    end
  end
end)

test.case('refused, and a host that is none', function()
  use(1)
  test.equal(send('me@a.example', 's', 'c', 'one@b.example'),
    'connection refused (check 127.0.0.1:1 SMTP server configurations)')
  cumulus.configs.smtp = { host = '300.300.300.300', port = 25, timeout = 5 }
  test.match(send('me@a.example', 's', 'c', 'one@b.example'), 'check 300.300.300.300:25 SMTP server')
end)

test.case('no recipient is an error without asking the server', function()
  local port, commands = misbehaving {}
  use(port)
  test.equal(send('me@a.example', 's', 'c'), 'No recipient')
  test.equal(#commands, 0)
end)

test.case('a failure is one mail\'s: the next one in the session is sent, after RSET', function()
  local port, commands = misbehaving {
    RCPT = function(_, seen) return seen[#seen]:find 'bad' and '550 no' or '250 yes' end,
  }
  use(port)
  local results = {}
  for i, to in ipairs { 'bad@b.example', 'good@b.example', 'bad@b.example' } do
    local mail = cumulus:sendMail('me@a.example', 's', 'c', to)
    function mail:onSent(err) results[i] = err or 'none' end
  end
  test.eventually(function() return commands[#commands] == 'QUIT' end)
  test.equal(results, { 'Recipient rejected: <bad@b.example>: 550 no', 'none',
    'Recipient rejected: <bad@b.example>: 550 no' })
  test.equal({ commands[1], commands[4], commands[8] }, { 'EHLO [127.0.0.1]', 'RSET', 'RSET' })
end)

test.case('a server that closes between two mails is asked again', function()
  local port = misbehaving { RSET = false }
  use(port)
  local results = {}
  for _ = 1, 3 do
    local mail = cumulus:sendMail('me@a.example', 's', 'c', 'one@b.example')
    function mail:onSent(err) results[#results + 1] = err or 'none' end
  end
  test.eventually(function() return #results == 3 end)
  test.equal(results, { 'none', 'none', 'none' })
end)

test.case('without LuaSocket the error says so', function()
  local result = child.run([[
    package.path, package.cpath = '', ''
    local mail = cumulus:sendMail('me@a.example', 's', 'c', 'one@b.example')
    function mail:onSent(err) print(err) end
  ]], '-l', 'coir.compat.cumulus')
  test.equal({ result.code, result.err }, { 0, '' })
  test.match(result.out, "^sendMail needs LuaSocket: module 'socket.smtp' not found:\n$")
end)

test.case('onSent is looked up late, may be missing, wait, and fail', function()
  local port, commands = misbehaving {}
  use(port)
  cumulus:sendMail('me@a.example', 's', 'c', 'one@b.example') -- no handler: silent
  local slow = cumulus:sendMail('me@a.example', 's', 'c', 'one@b.example')
  local slow_done, fast_done
  function slow:onSent()
    fiber.sleep(0.05)
    slow_done = fast_done
    error 'in onSent'
  end
  local fast = cumulus:sendMail('me@a.example', 's', 'c', 'one@b.example')
  function fast:onSent() fast_done = true end
  loggers.take()
  test.eventually(function() return slow_done end)
  test.settle()
  test.match(table.concat(loggers.take()), 'in onSent')
  return commands
end)

test.finish()
