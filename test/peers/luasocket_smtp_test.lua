-- luasocket_smtp_test.lua: LuaSocket's own socket.smtp on coir's sockets: mail to an exim4, which
-- stores it.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local test = require 'test'

peer.need('exim4')
local found, smtp = pcall(require, 'socket.smtp')
if not found then
  test.case('socket.smtp is installed', function() error(smtp, 0) end)
  test.finish()
end
local ltn12, mime = require 'ltn12', require 'mime'

local folder, port = peer.folder(), peer.free_port()

-- exim stores as a user of its own when it is started by root.
os.execute(("chmod 755 '%s' && mkdir -m 777 '%s/spool' '%s/mail' '%s/logs'"):format(folder, folder,
  folder, folder))
do
  local file <close> = assert(io.open(folder .. '/exim.conf', 'w'))
  file:write((([[
    primary_hostname = localhost
    qualify_domain = example.test
    spool_directory = FOLDER/spool
    log_file_path = FOLDER/logs/%slog
    pid_file_path = FOLDER/spool/pid
    local_interfaces = 127.0.0.1.PORT
    smtp_accept_max = 100
    smtp_accept_queue_per_connection = 0
    tls_advertise_hosts =
    keep_environment =
    deliver_drop_privilege
    acl_smtp_rcpt = recipients
    begin acl
    recipients:
      deny message = nobody of this name
        local_parts = nobody
      accept
    begin routers
    everybody:
      driver = accept
      transport = store
    begin transports
    store:
      driver = appendfile
      directory = FOLDER/mail
      maildir_format
  ]]):gsub('FOLDER', folder):gsub('PORT', tostring(port)):gsub('\n    ', '\n')))
end
local server = peer.start(("exim4 -C '%s/exim.conf' -bdf"):format(folder), folder .. '/log')

-- -- What was stored ------------------------------------------------------------------------------

--- The messages in the folder, each with its head and its body.
local function stored()
  local messages = {}
  local pipe <close> = io.popen(("ls '%s/mail/new' 2>/dev/null"):format(folder))
  for name in pipe:lines() do
    local file <close> = assert(io.open(folder .. '/mail/new/' .. name, 'rb'))
    local head, body = file:read('a'):match('^(.-\n)\n(.*)$')
    messages[#messages + 1] = { head = head, body = body,
      subject = head:match('\nSubject: ([^\n]*)') }
  end
  return messages
end

--- The message with this subject, once it is there.
local function message_about(subject)
  local message
  test.eventually(function()
    for _, each in ipairs(stored()) do
      if each.subject == subject then message = each end
    end
    return message
  end)
  return message
end

--- A text as it is stored: with the lines of Unix, and the empty line that socket.smtp adds.
local function as_stored(text) return text:gsub('\r\n', '\n') .. '\n' end

local function send(subject, body, recipients)
  return smtp.send {
    server = '127.0.0.1', port = port, from = '<sender@example.test>',
    rcpt = recipients or '<reader@example.test>',
    source = smtp.message { headers = { subject = subject, to = 'reader@example.test' },
      body = body },
  }
end

-- -- Cases ----------------------------------------------------------------------------------------

test.case('exim starts', function() peer.await(port) end)

test.case('a message is stored as it was sent', function()
  local text = 'Hello,\r\n\r\n.a line that begins with a dot\r\n.\r\nthe one dot above ends nothing\r\n'
  test.equal({ send('dots', text) }, { 1 })
  local message = message_about('dots')
  test.equal(message.body, as_stored(text))
  test.match(message.head, '%(envelope%-from <sender@example%.test>%)')
  test.match(message.head, '\tfor reader@example%.test;')
end)

test.case('20 messages in 20 fibers', function()
  local function text(i) return ('line %d\r\n'):format(i):rep(i * 50) end
  peer.all(20, function(i) test.equal({ send('crowd ' .. i, text(i)) }, { 1 }) end)
  for i = 1, 20 do
    test.equal(message_about('crowd ' .. i).body, as_stored(text(i)))
  end
end)

test.case('an attachment of 200 kB in base64 comes back', function()
  local bytes = {}
  for i = 1, 200000 do bytes[i] = string.char(i * i % 251) end
  bytes = table.concat(bytes)
  local body = {
    preamble = 'a message with an attachment',
    [1] = { body = 'see the attachment\r\n' },
    [2] = {
      headers = { ['content-type'] = 'application/octet-stream',
        ['content-transfer-encoding'] = 'BASE64' },
      body = ltn12.source.chain(ltn12.source.string(bytes),
        ltn12.filter.chain(mime.encode('base64'), mime.wrap('base64'))),
    },
  }
  test.equal({ send('attachment', body) }, { 1 })
  local message = message_about('attachment')
  local encoded = message.body:match('octet%-stream.-\n\n(.-)\n%-%-')
  test.ok(mime.unb64((encoded:gsub('%s', ''))) == bytes)
end)

test.case('a recipient that is refused is an error, with the words of the server', function()
  test.equal({ send('refused', 'text', '<nobody@example.test>') },
    { nil, '550 nobody of this name' })
end)

test.case('a server that is not there', function()
  local closed = peer.free_port()
  test.equal({ smtp.send { server = '127.0.0.1', port = closed, from = '<a@b>', rcpt = '<c@d>',
    source = ltn12.source.string('') } }, { nil, 'connection refused' })
end)

server:stop()
peer.remove_folder(folder)
test.finish()
