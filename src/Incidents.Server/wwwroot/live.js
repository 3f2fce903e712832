// Keeps an open page true: one event stream, fragments that replace what has their id, and never a state that the server has not confirmed.
(() => {
  const pill = document.getElementById('live');
  const title = document.title.replace(/^\(\d+\) /, '');
  const zone = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const dated = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  const ago = s => s < 60 ? 'just now' : s < 3600 ? Math.floor(s / 60) + ' min ago' : s < 86400 ? Math.floor(s / 3600) + ' h ago' : Math.floor(s / 86400) + ' d ago';

  // Times in the zone of whoever looks, with the day unless it is today; UTC stays in the title and in datetime.
  const times = () => document.querySelectorAll('time[data-local]').forEach(t => {
    const at = new Date(t.dateTime), local = (at.toDateString() === new Date().toDateString() ? zone : dated).format(at);
    const text = t.dataset.rel ? ago((Date.now() - at) / 1000) + ' · ' + local : local;
    if (t.textContent !== text) t.textContent = text;
  });

  // What is left until something happens by itself.
  const left = s => (s >= 3600 ? Math.floor(s / 3600) + ':' + String(Math.floor(s / 60) % 60).padStart(2, '0') : Math.floor(s / 60)) + ':' + String(s % 60).padStart(2, '0');
  setInterval(() => document.querySelectorAll('time[data-until]').forEach(t => t.textContent = left(Math.max(0, Math.floor((new Date(t.dateTime) - Date.now()) / 1000)))), 1000);

  const count = () => {
    const strip = document.getElementById('strip');
    if (!strip) return;
    const n = Number(strip.dataset.unacknowledged);
    document.title = n ? `(${n}) ${title}` : title;
    const icon = document.querySelector('link[rel=icon]');
    icon.dataset.plain ??= icon.href;
    icon.href = n ? 'data:image/svg+xml,' + encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#c81e1e"/><text x="16" y="23" font-family="sans-serif" font-weight="700" font-size="20" text-anchor="middle" fill="#fff">${n > 99 ? '99' : n}</text></svg>`) : icon.dataset.plain;
  };

  const rows = () => [...document.querySelectorAll('.row')];
  const numberOf = row => Number(row.id.slice(4));

  // An incident that an unfiltered list lacks gets a line among its neighbours, a new one on top. Lines that exist are replaced where they are, never moved.
  const makeRoom = html => {
    const list = document.querySelector('#incidents[data-insert]');
    if (!list) return;
    const parsed = new DOMParser().parseFromString(html, 'text/html');
    parsed.querySelectorAll('.row').forEach(r => {
      if (document.getElementById(r.id) || !/triggered|acknowledged/.test(r.dataset.state)) return;
      const line = document.createElement('li'), row = document.createElement('div'), number = numberOf(r);
      const next = rows().find(other => numberOf(other) < number);
      // Older than all lines here: it is on the page of older ones.
      if (!next && document.querySelector('a[rel=next]')) return;
      const shown = document.querySelector('[name=shown]');
      if (shown) {
        // "All shown" is also what was shown since.
        shown.value = [number, ...shown.value.split(',').filter(Boolean)].join();
        const pick = document.createElement('label'), box = document.createElement('input');
        pick.className = 'pick';
        Object.assign(box, { type: 'checkbox', name: 'number', value: number, ariaLabel: 'Select INC-' + number });
        pick.append(box);
        line.append(pick);
      }
      row.id = r.id;
      line.append(row);
      list.insertBefore(line, next?.closest('li') ?? null);
      document.getElementById('empty')?.remove();
    });
    // More than the server tells again after a break would go stale unseen.
    while (list.children.length > 500) list.lastElementChild.remove();
  };

  const apply = html => {
    makeRoom(html);
    // Only parts that are on this page; the others belong to other pages.
    const parts = new DOMParser().parseFromString(html, 'text/html').querySelectorAll('hx-partial');
    const text = [...parts].filter(p => document.querySelector(p.getAttribute('hx-target'))).map(p => p.outerHTML).join('');
    if (text) htmx.swap({ sourceElement: pill, target: pill, text, swap: 'none' });
    requestAnimationFrame(() => { times(); count(); });
  };

  let stream, delay = 500, timer, quiet, staleSince;
  const say = (state, text) => { if (pill.textContent !== text) pill.textContent = text; pill.dataset.state = state; };
  const stale = () => { staleSince ??= new Date(); say('stale', 'Not live since ' + zone.format(staleSince)); };
  const wait = () => { clearTimeout(quiet); quiet = setTimeout(() => { stale(); again(); }, 40000); };
  // Only words of the server say that it lives; an open connection may lead nowhere.
  const heard = () => { delay = 500; staleSince = null; say('live', 'Live'); wait(); };
  const close = () => { stream?.close(); stream = null; clearTimeout(timer); clearTimeout(quiet); };
  const again = () => { close(); timer = setTimeout(open, delay + Math.random() * delay / 3); delay = Math.min(delay * 2, 15000); };

  async function failed() {
    stale();
    close();
    try {
      const answer = await fetch('/api/v1/session', { cache: 'no-store', redirect: 'manual' });
      if (answer.status === 401 || answer.status === 403) {
        const link = document.createElement('a');
        link.href = '/sign-in?to=' + encodeURIComponent(location.pathname + location.search);
        link.textContent = 'Session expired – sign in';
        pill.dataset.state = 'out';
        pill.replaceChildren(link);
        return;
      }
    } catch { /* the server is away; we come again */ }
    again();
  }

  function open() {
    if (document.hidden || stream) return;
    const shown = rows().map(numberOf);
    stream = new EventSource(pill.dataset.live + (shown.length ? '&shown=' + shown : ''));
    stream.addEventListener('beat', heard);
    stream.onmessage = e => { apply(e.data); heard(); };
    stream.onerror = failed;
    if (!staleSince) say('off', 'Connecting…');
    wait();
  }

  if (pill) {
    document.addEventListener('visibilitychange', () => { if (document.hidden) close(); else { delay = 200; open(); } });
    addEventListener('online', () => { delay = 200; close(); open(); });
    addEventListener('pagehide', close);
    addEventListener('pageshow', e => { if (e.persisted) open(); });
    open();
  }
  times();
  count();
  setInterval(times, 20000);

  const help = document.getElementById('help'), off = document.getElementById('keys-off');
  off.checked = localStorage.getItem('keys') === 'off';
  off.onchange = () => localStorage.setItem('keys', off.checked ? 'off' : 'on');
  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || help.open || e.target.closest('input, textarea, select, [contenteditable]')) return;
    if (e.key === '?') { help.showModal(); return; }
    if (off.checked) return;
    const links = [...document.querySelectorAll('.row a.title')];
    const at = links.indexOf(document.activeElement);
    if (e.key === 'j') links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (e.key === 'k') links[Math.max(at - 1, 0)]?.focus();
    else if (e.key === 'a') {
      const button = document.querySelector('[data-key=a]');
      if (button?.offsetParent) button.click();
      else if (at >= 0) {
        const box = links[at].closest('li').querySelector('input[name=number]');
        if (box) { box.checked = true; document.querySelector('button[name=which][value=selected]')?.click(); }
      }
    }
  });

  document.querySelectorAll('[data-copy]').forEach(pre => {
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', textContent: 'Copy', className: 'quiet' });
    button.onclick = () => navigator.clipboard?.writeText(pre.textContent).then(() => { button.textContent = 'Copied'; });
    pre.after(button);
  });
})();
