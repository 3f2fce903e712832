// Asks the device for a passkey: makes one on the account page, signs in with one on the sign-in page. Without it both pages work with passwords.
(() => {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) return;
  document.querySelectorAll('form[data-passkey]').forEach(form => {
    form.hidden = false;
    form.addEventListener('submit', async event => {
      event.preventDefault();
      const said = form.querySelector('[role=status]'), making = form.dataset.passkey === 'make';
      const send = async (path, fields) => {
        const body = new FormData(form);
        for (const [name, value] of Object.entries(fields)) body.set(name, value);
        const answer = await fetch(path, { method: 'POST', body });
        const read = await answer.json().catch(() => ({}));
        if (!answer.ok) throw new Error(read.detail ?? 'The page is no longer valid. Load it again.');
        return read;
      };
      try {
        said.textContent = 'Waiting for your device …';
        const options = await send(form.getAttribute('action') + '/options', {});
        const credential = making
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
        location.assign((await send(form.getAttribute('action'), { credential: JSON.stringify(credential.toJSON()) })).to);
      } catch (error) {
        said.textContent = error.name === 'NotAllowedError' ? 'Your device did not answer, or you said no.' : error.message;
      }
    });
  });
})();
