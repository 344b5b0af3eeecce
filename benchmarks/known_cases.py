import argparse, sys, time, tempfile
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import numpy as np, torch
from feasibility_cases import evidence, experienced, recipe, TARGET
import feasibility_cases as fc
import known_sets as sets
from pipeline.feasibility.verdict import judge
from pipeline.feasibility.study import new_study
from pipeline.training.models import build, WithFeatures, read_state, fill
from pipeline.training.batches import to_input
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
torch.set_num_threads(1)
ALL=("folds","curve","shuffled")
C={
 "fine": sets.fine,
 "fine big": lambda s: sets.fine(s,(150,100,80,60)), "fine 3": lambda s: sets.fine(s,(60,50,40)), "fine 5": lambda s: sets.fine(s,(80,60,60,40,40)), "fine 7": lambda s: sets.fine(s,(120,80,70,60,50,50,40)),
 "noise": sets.pure_noise, "noise 3": lambda s: sets.pure_noise(s,(60,40,40)), "noise 7": lambda s: sets.pure_noise(s,(120,60,50,40,40,30,20)),"noise 60": lambda s: sets.pure_noise(s,(25,20,15)), "noise big": lambda s: sets.pure_noise(s,(300,150,100)),
 "labels": sets.wrong_labels, "labels 3": lambda s: sets.wrong_labels(s,(50,40,40)), "labels 5": lambda s: sets.wrong_labels(s,(120,60,60,40,30)), "labels 7": lambda s: sets.wrong_labels(s,(120,80,70,60,50,50,40)), "labels big": lambda s: sets.wrong_labels(s,(200,150,100,100)),
 "rare": sets.one_rare, "rare 5": lambda s: sets.one_rare(s,(120,80,60,50)), "rare plain": lambda s: sets.one_rare(s,strength=90.), "rare big": lambda s: sets.one_rare(s,(200,150,100)),
 "twins": sets.twins, "twins uneven": lambda s: sets.twins(s,(80,60,50),(60,30)), "twins big": lambda s: sets.twins(s,(100,100,60),(120,80)), "twins 5": lambda s: sets.twins(s,(60,50,40),(50,50)),
 "copies": sets.copies, "copies 12": lambda s: sets.copies(s,4,12,10), "copies 5": lambda s: sets.copies(s,3,5,20), "copies 30": lambda s: sets.copies(s,3,30,4), "types": sets.file_types, "types 4": lambda s: sets.file_types(s,(60,50,40,30)),
 "few": sets.too_few, "few 12": lambda s: sets.too_few(s,(12,10,8)), "few easy": lambda s: sets.too_few(s,(6,5,4),90.)}
def m(x): return f"{x.value:.2f} [{x.low:.2f},{x.high:.2f}]"
weights=Path("/tmp/experienced.safetensors")
state=read_state(weights)
net=build("shufflenet_v2_x0_5",7,32); fill(net,"shufflenet_v2_x0_5",state,"x"); featured=WithFeatures(net,7).eval()
FE={}
def features(images):
    key=id(images)
    if key not in FE:
        FE.clear()
        with torch.inference_mode():
            x=to_input(torch.from_numpy(np.asarray(images)),32,float(images.mean()),float(images.std()))
            FE[key]=torch.cat([featured(p)[0] for p in x.split(256)]).numpy().astype(np.float64)
    return FE[key]
CC=0.003
def ask(study, training):
    f=features(study.packed.images)
    k=len(study.class_names); out=np.full((len(training.judged),k),1e-6)
    y=training.labels[training.taught]
    if len(np.unique(y))<2: out[:,y[0]]=1; return out/out.sum(1,keepdims=True)
    model=make_pipeline(StandardScaler(),LogisticRegression(C=CC,class_weight="balanced",max_iter=200)).fit(f[training.taught],y)
    out[:,model[-1].classes_]+=model.predict_proba(f[training.judged])
    return out/out.sum(1,keepdims=True)
fast="--nets" not in sys.argv
quiet="-q" in sys.argv
import pipeline.feasibility.findings as F
slow=F.leaks.measure
if "--full" not in sys.argv: F.leaks.measure=lambda study,rng: slow(study,rng,shuffles=2)
if fast:
    fc._ask=ask
    from pipeline.feasibility.overfit import Overfit
    fc.check=lambda s,p,m,c: (Overfit(p.model,32,16,True,20,0.01,"",(1.0,0.01)),)
args=[a for a in sys.argv[1:] if not a.startswith("-")]
names=[n for n in C if any(n==a or (a.endswith("*") and n.startswith(a[:-1])) for a in args[1:])]
from collections import Counter
for name in names:
  got=Counter(); extra=[]
  for seed in range(int(args[0])):
    t=time.process_time(); w=time.time()
    e=evidence(C[name](seed), weights, ALL, seed)
    v=judge(e)
    got[v.rule]+=1
    s=e.signal
    extra.append(round(s.macro_f1.value,2))
    if quiet: continue
    print(f"== {name} seed {seed}: {v.kind} {v.rule} | {v.headline} | cpu {time.process_time()-t:.1f} s wall {time.time()-w:.1f}")
    print("   F1", m(s.macro_f1), "p", round(s.p,3), "base", m(s.baseline), "chance", np.round(np.quantile(s.chance,[.5,.95]),2), "by class", ", ".join(f"{n}({k}) {m(f)}" for n,k,f in zip(e.class_names,e.support,s.f1)))
    print("   noise", m(e.noise.rate), "ceiling", m(e.noise.ceiling), e.noise.believed, len(e.noise.doubts.doubts), "pairs", [(e.class_names[p.first],e.class_names[p.second],m(p.auc),p.told_apart) for p in e.pairs[:2]])
    print("   leaks rand",m(e.leaks.random),"grouped",m(e.leaks.grouped),"gap",m(e.leaks.gap),"attr",m(e.leaks.attributes),"border",m(e.leaks.border),"chance",round(e.leaks.chance,2),"alarms",[a.attribute.name for a in e.leaks.alarms])
    if e.curve: print("   curve", [(n, c.now, np.round([f.value for f in c.f1],2).tolist(), m(c.needed), round(c.p_reach,2), c.note) for n,c in zip(e.class_names,e.curve.classes)])
    print("   ", *v.reasons, "ALSO", *v.also, sep="\n      ", flush=True)
  print("##", name, dict(got), extra, flush=True); open("/tmp/sum.txt","a").write(f"{name:14} {dict(got)} {extra}\n")
