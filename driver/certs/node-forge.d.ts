// The parts of node-forge that issue certificates; its index loads a TLS stack, PKCS#12 and much more.
declare module 'node-forge/lib/x509' {
  import type { asn1, pki } from 'node-forge';

  const x509: Pick<
    typeof pki,
    'createCertificate' | 'certificateFromPem' | 'publicKeyFromPem' | 'certificateToAsn1' | 'oids'
  > & {
    getTBSCertificate(certificate: pki.Certificate): asn1.Asn1;
  };
  export = x509;
}
declare module 'node-forge/lib/asn1' {
  import type { asn1 as types } from 'node-forge';

  const asn1: Pick<typeof types, 'toDer' | 'fromDer'>;
  export = asn1;
}
declare module 'node-forge/lib/util' {
  import type { util as types } from 'node-forge';

  const util: Pick<typeof types, 'createBuffer'>;
  export = util;
}
